// Thin owners over the C API of SQLite: a connection with its prepared statements, a statement in use, a transaction.
#ifndef ZCBENCH_DB_SQLITE_CONNECTION_H_
#define ZCBENCH_DB_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status_macros.h"

namespace zcbench::sqlite {

// What SQLite answered, as a Status that begins with `context` or names the file. UNAVAILABLE: busy, disk full, input
// or output error. DATA_LOSS: damaged, or no database. FAILED_PRECONDITION: the folder is not
// writable. ALREADY_EXISTS: a unique constraint. INTERNAL: everything else.
absl::Status ToStatus(sqlite3* db, int code, std::string_view context);

// Bytes for a BLOB column; must outlive the statement's run.
struct Blob {
  std::string_view bytes;
};

class Connection;

// A prepared statement in use. Goes back to its connection, reset, when it ends. Columns and parameters as in SQL text:
// parameters from ?1, columns from 0. Text that was bound must live until the last Step.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  ~Statement();

  // Binds ?1, ?2, ... in order. Once a run.
  template <typename... Values>
  void Bind(const Values&... values) {
    Rewind();
    int index = 0;
    (BindOne(++index, values), ...);
    ZCB_CHECK(index == sqlite3_bind_parameter_count(statement_));
  }

  // True: a row is there to be read.
  absl::StatusOr<bool> Step();
  // Steps to the end; rows are skipped.
  absl::Status Run();

  int64_t Int(int column) const { return sqlite3_column_int64(statement_, column); }
  double Real(int column) const { return sqlite3_column_double(statement_, column); }
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string Text(int column) const;  // also of a BLOB
  absl::Time Time(int column) const { return absl::FromUnixMicros(Int(column)); }
  template <typename Id>
  Id As(int column) const {
    return static_cast<Id>(Int(column));
  }

 private:
  friend class Connection;
  Statement(Connection* owner, const char* sql, sqlite3_stmt* statement)
      : owner_(owner), sql_(sql), statement_(statement) {}

  void Rewind();
  void BindOne(int index, std::string_view text);
  void BindOne(int index, const std::string& text) { BindOne(index, std::string_view(text)); }
  void BindOne(int index, const char* text) { BindOne(index, std::string_view(text)); }
  void BindOne(int index, Blob blob);
  void BindOne(int index, double real);
  void BindOne(int index, absl::Time time) { BindInt(index, absl::ToUnixMicros(time)); }
  template <typename Integer>
  requires(std::is_integral_v<Integer> || std::is_enum_v<Integer>) void BindOne(int index, Integer value) {
    BindInt(index, static_cast<int64_t>(value));
  }
  template <typename T>
  void BindOne(int index, const std::optional<T>& value) {
    if (value.has_value()) {
      BindOne(index, *value);
    } else {
      BindNull(index);
    }
  }
  void BindInt(int index, int64_t value);
  void BindNull(int index);

  Connection* owner_;
  const char* sql_;
  sqlite3_stmt* statement_;
};

// Used by one thread at a time.
class Connection {
 public:
  // Opens without looking into the file. `flags` are SQLite's; SQLITE_OPEN_NOMUTEX is added.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, int flags);
  ~Connection();

  // `sql` must be one statement of static storage: its address is the key under which it stays prepared.
  absl::StatusOr<Statement> Prepare(const char* sql);
  // Any number of statements, not kept.
  absl::Status Execute(const std::string& sql);
  // The first column of the first row as an integer.
  absl::StatusOr<int64_t> Query(const std::string& sql);

  int64_t last_insert_id() const { return sqlite3_last_insert_rowid(db_); }
  int changes() const { return sqlite3_changes(db_); }
  sqlite3* db() { return db_; }

 private:
  friend class Statement;
  explicit Connection(sqlite3* db) : db_(db) {}

  sqlite3* db_;
  std::map<const char*, std::vector<sqlite3_stmt*>> idle_;
};

// Rolls back unless it was committed.
class Transaction {
 public:
  // `mode`: "IMMEDIATE" to write, "DEFERRED" to read.
  static absl::StatusOr<Transaction> Begin(Connection& connection, const char* mode);
  Transaction(Transaction&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Transaction(const Transaction&) = delete;
  ~Transaction();

  // After an error nothing of the transaction stays.
  absl::Status Commit();

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}

  Connection* connection_;
};

}  // namespace zcbench::sqlite

#endif  // ZCBENCH_DB_SQLITE_CONNECTION_H_
