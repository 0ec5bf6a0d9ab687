#include "db/sqlite/connection.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace zcbench::sqlite {

absl::Status ToStatus(sqlite3* db, int code, std::string_view context) {
  const std::string reason =
      absl::StrCat(db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db), " (SQLite code ", code, ")");
  const std::string message = absl::StrCat(std::string(context), ": ", reason);
  const char* const main = db == nullptr ? nullptr : sqlite3_db_filename(db, "main");
  const std::string file = main == nullptr || *main == '\0' ? std::string(context) : std::string(main);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
      return absl::UnavailableError(message);
    case SQLITE_FULL:
      return absl::UnavailableError(absl::StrCat(file, " cannot grow, since its disk is full: nothing of this was ",
                                                 "recorded; free space on its disk, and recording goes on by itself"));
    case SQLITE_IOERR:
      if (code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_SHMSIZE) {
        return absl::UnavailableError(absl::StrCat(
            file, " cannot be written: nothing of this was recorded; free space on its disk or raise the limit on the ",
            "size of files (ulimit -f), and recording goes on by itself; else the disk fails: ", reason));
      }
      return absl::UnavailableError(absl::StrCat(file, " cannot be read or written, so its disk may fail: ", reason));
    case SQLITE_READONLY:
      if (code != SQLITE_READONLY_DIRECTORY && code != SQLITE_READONLY_CANTINIT) return absl::InternalError(message);
      return absl::FailedPreconditionError(
          absl::StrCat(file, " is a server's database, and to read it its folder must be writable; copy the file to ",
                       "another folder, or read a backup, which needs no more: ", reason));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(file, " is damaged: ", reason,
                                              "; stop the server, see what is wrong with `zcbench store check --file "
                                              "FILE`, and restore it from a backup"));
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) {
        return absl::AlreadyExistsError(message);
      }
      return absl::InternalError(message);
    default:
      return absl::InternalError(message);
  }
}

Statement::Statement(Statement&& other) noexcept
    : owner_(other.owner_), sql_(other.sql_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  Rewind();
  owner_->idle_[sql_].push_back(statement_);
}

void Statement::Rewind() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Statement::BindOne(int index, std::string_view text) {
  // A null pointer would bind NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  ZCB_CHECK(sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
}

void Statement::BindOne(int index, Blob blob) {
  const char* data = blob.bytes.data() == nullptr ? "" : blob.bytes.data();
  ZCB_CHECK(sqlite3_bind_blob64(statement_, index, data, blob.bytes.size(), SQLITE_STATIC) == SQLITE_OK);
}

void Statement::BindOne(int index, double real) {
  ZCB_CHECK(sqlite3_bind_double(statement_, index, real) == SQLITE_OK);
}

void Statement::BindInt(int index, int64_t value) {
  ZCB_CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK);
}

void Statement::BindNull(int index) { ZCB_CHECK(sqlite3_bind_null(statement_, index) == SQLITE_OK); }

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ToStatus(owner_->db_, sqlite3_extended_errcode(owner_->db_), "the store");
}

absl::Status Statement::Run() {
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

std::string Statement::Text(int column) const {
  // Blob first, then its length: the order that the C API asks for.
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, int flags) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Connection> connection(new Connection(db));
  if (code != SQLITE_OK) return ToStatus(db, code, absl::StrCat("opening ", path));
  sqlite3_extended_result_codes(db, 1);
  return connection;
}

Connection::~Connection() {
  for (auto& [sql, statements] : idle_) {
    for (sqlite3_stmt* statement : statements) sqlite3_finalize(statement);
  }
  sqlite3_close(db_);
}

absl::StatusOr<Statement> Connection::Prepare(const char* sql) {
  std::vector<sqlite3_stmt*>& idle = idle_[sql];
  sqlite3_stmt* statement = nullptr;
  if (!idle.empty()) {
    statement = idle.back();
    idle.pop_back();
  } else if (const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
             code != SQLITE_OK) {
    return ToStatus(db_, sqlite3_extended_errcode(db_), absl::StrCat("preparing ", sql));
  }
  return Statement(this, sql, statement);
}

absl::Status Connection::Execute(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return ToStatus(db_, sqlite3_extended_errcode(db_), sql.substr(0, 80));
}

absl::StatusOr<int64_t> Connection::Query(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  int64_t value = 0;
  int code = sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr);
  if (code == SQLITE_OK) {
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
  }
  absl::Status status;
  if (code != SQLITE_ROW && code != SQLITE_DONE) status = ToStatus(db_, sqlite3_extended_errcode(db_), sql);
  sqlite3_finalize(statement);
  if (!status.ok()) return status;
  return value;
}

absl::StatusOr<Transaction> Transaction::Begin(Connection& connection, const char* mode) {
  ZCB_RETURN_IF_ERROR(connection.Execute(absl::StrCat("BEGIN ", mode)));
  return Transaction(connection);
}

Transaction::~Transaction() {
  // Fails when SQLite has rolled back by itself already, which is what was wanted.
  if (connection_ != nullptr) (void)connection_->Execute("ROLLBACK");
}

absl::Status Transaction::Commit() {
  ZCB_RETURN_IF_ERROR(connection_->Execute("COMMIT"));
  connection_ = nullptr;
  return absl::OkStatus();
}

}  // namespace zcbench::sqlite
