#include "client/cli/published_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "client/cli/accuracy_file.h"
#include "nas/proxy_text.h"
#include "nas/space.h"
#include "nas/task.h"

namespace zcbench {
namespace {

using nlohmann::json;

constexpr char kParams[] = "params";

// Names of tables for tasks of ours.
constexpr std::pair<const char*, const char*> kTasks[] = {{"ImageNet16-120", "imagenet16_120"},
                                                          {"scifar100", "spherical_cifar100"}};
constexpr std::pair<const char*, const char*> kNasbench201Tasks[] = {
    {"c10", "cifar10"}, {"c100", "cifar100"}, {"im", "imagenet16_120"}};
constexpr std::pair<const char*, const char*> kMetrics[] = {{"val", "validation"},
                                                            {"test", "test"},
                                                            {"val_nbsz", "validation_nbsz"},
                                                            {"val_12ep", "validation_12ep"},
                                                            {"val_last", "validation_last"},
                                                            {"val_best", "validation"},
                                                            {"test_best", "test"}};
constexpr std::pair<const char*, const char*> kProxyPrefixes[] = {
    {"zen_", "zen"}, {"synflow_", "synflow"}, {"epe_", "epe_nas"}};
// Of tables of AutoFormer networks: task and metric of an accuracy.
struct VitAccuracy {
  const char* key;
  const char* task;
  const char* metric;
};
constexpr VitAccuracy kVitAccuracies[] = {{"c100_base_acc", "cifar100", "base"},
                                          {"c100_kd_acc", "cifar100", "distilled"},
                                          {"flower_base_acc", "flowers", "base"},
                                          {"flower_kd_acc", "flowers", "distilled"},
                                          {"chaoyang_base_acc", "chaoyang", "base"},
                                          {"chaoyang_kd_acc", "chaoyang", "distilled"},
                                          {"imagenet_super_acc", "imagenet", "inherited"},
                                          {"performance", "", "inherited"},
                                          {"imagenet_top1", "imagenet", "test"}};
constexpr const char* kVitKeys[] = {"arch", "net_setting"};

// Published in millions, single here.
bool IsCount(std::string_view proxy) { return proxy == kParams || proxy == "flops"; }

template <typename Pairs>
const char* Lookup(const Pairs& pairs, std::string_view key) {
  for (const auto& [name, value] : pairs) {
    if (key == name) return value;
  }
  return nullptr;
}

// Reading state that all formats share.
class Reader {
 public:
  Reader(const PublishedTableOptions& options, const std::function<absl::Status(const PublishedRow&)>& receive)
      : options_(options), receive_(receive) {}

  PublishedTableNotes notes;

  const PublishedTableOptions& options() const { return options_; }
  bool Wants(const std::string& task) const { return options_.task.empty() || options_.task == task; }
  bool WantsProxy(const std::string& proxy) const {
    return options_.proxies.empty() || options_.proxies.contains(proxy);
  }

  absl::StatusOr<const SpaceDefinition*> Space(const std::string& implied) {
    const std::string& name = options_.space.empty() ? implied : options_.space;
    if (name.empty()) {
      return absl::InvalidArgumentError("the table does not say which search space it is of; give --space");
    }
    if (space_ == nullptr || space_->name != name) {
      ZCB_ASSIGN_OR_RETURN(space_, FindSpace(name));
    }
    return space_;
  }

  absl::Status Emit(const PublishedRow& row) {
    ++notes.rows;
    return receive_(row);
  }

  // `millions` as published; exact where the table prints six decimals.
  absl::Status CheckParameters(const SpaceDefinition& space, const std::string& architecture, const std::string& task,
                               double millions, bool exact) {
    if (!options_.check_parameters) return absl::OkStatus();
    if (space.name != cell_.space || task != cell_.task) {
      ZCB_ASSIGN_OR_RETURN(cell_, FindCell(space.name, task));
    }
    ZCB_ASSIGN_OR_RETURN(const int64_t own, space.space->Params(architecture, cell_));
    // Tables print seven digits.
    double tolerance = std::max(0.5, 0.5 * std::pow(10, std::ceil(std::log10(static_cast<double>(own))) - 7));
    if (!exact) {
      char text[64];
      const auto end = std::to_chars(text, text + sizeof(text), millions, std::chars_format::fixed);
      if (end.ec != std::errc()) {  // 1e300, 1e-300
        return absl::InvalidArgumentError(absl::StrCat(millions, " million is no number of parameters"));
      }
      const std::string_view digits(text, end.ptr - text);
      const size_t point = digits.find('.');
      const double decimals = point == std::string_view::npos ? 0 : static_cast<double>(digits.size() - point - 1);
      tolerance = std::max(0.5, 0.5000001e6 * std::pow(10, -decimals));
    }
    if (std::abs(millions * 1e6 - static_cast<double>(own)) > tolerance) {
      return absl::InvalidArgumentError(
          absl::StrCat(space.name, "/", architecture, " on ", task, " has ", absl::StrFormat("%.12g", millions * 1e6),
                       " parameters in the table but ", own,
                       " here: another network, or another way of counting; --no-params-check imports it anyway"));
    }
    ++notes.parameters_equal;
    return absl::OkStatus();
  }

 private:
  const PublishedTableOptions& options_;
  const std::function<absl::Status(const PublishedRow&)>& receive_;
  const SpaceDefinition* space_ = nullptr;
  Cell cell_;
};

PublishedScore MakeScore(const std::string& proxy, double value, double seconds) {
  PublishedScore score{.proxy = proxy, .value = std::nullopt, .seconds = seconds};
  if (std::isfinite(value) && value != kPublishedNotFinite) score.value = value;
  return score;
}

// ---- CSV.

struct CsvColumn {
  size_t index = 0;
  std::string name;
  std::string task;    // empty: the table's only one
  std::string proxy;   // empty: an accuracy
  std::string metric;  // empty: a score
};

// What the header says; a column that nothing is known of may be a proxy.
class CsvLayout {
 public:
  static absl::StatusOr<CsvLayout> Create(const std::vector<std::string>& header, Reader& reader) {
    CsvLayout layout;
    std::map<std::string, size_t> names;
    for (size_t i = 0; i < header.size(); ++i) {
      if (!names.emplace(header[i], i).second) {
        return absl::InvalidArgumentError(absl::StrCat("the header has `", header[i], "` twice"));
      }
    }
    const auto architecture = [&]() -> std::optional<size_t> {
      for (const char* name : {"architecture", "arch_str", "code", "arch"}) {
        if (names.contains(name)) return names[name];
      }
      return std::nullopt;
    }();
    if (!architecture.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the header has no column `architecture`, `arch_str` or `code` (it has: ", absl::StrJoin(header, " "), ")"));
    }
    layout.width_ = header.size();
    layout.architecture_ = *architecture;
    layout.in_millions_ = !names.contains("architecture");  // which is our own layout
    if (names.contains("seed")) {
      return absl::InvalidArgumentError("the table has a column `seed`; import the rows of one seed, without it");
    }
    if (names.contains("space")) layout.space_column_ = names["space"];
    if (names.contains("task")) layout.task_column_ = names["task"];
    std::set<std::string> tasks;
    for (size_t i = 0; i < header.size(); ++i) {
      const std::string& name = header[i];
      static const std::set<std::string> kNoData = {"architecture", "arch_str", "code", "arch",    "idx",
                                                    "index",        "space",    "task", "outcomes"};
      if (kNoData.contains(name)) continue;
      CsvColumn column{.index = i, .name = name, .task = {}, .proxy = {}, .metric = {}};
      if (name == "accuracy" || name == "val_accuracy") {
        column.metric = name == "accuracy" ? "test" : "validation";
      } else if (!AccuracyOfTask(name, layout, column) && !ScoreOfTask(name, column)) {
        const absl::StatusOr<ProxyText> proxy = ParseProxyText(name);
        if (!proxy.ok()) {
          reader.notes.left_out.insert(name);
          continue;
        }
        column.proxy = PrintProxyText(*proxy);
      }
      if (!column.task.empty()) tasks.insert(column.task);
      layout.columns_.push_back(std::move(column));
    }
    // Columns without a task are of the only task that others name.
    if (tasks.size() == 1) layout.task_ = *tasks.begin();
    return layout;
  }

  absl::Status Read(const std::vector<std::string>& fields, Reader& reader) const {
    if (fields.size() != width_) {
      return absl::InvalidArgumentError(absl::StrCat(fields.size(), " fields where the header has ", width_,
                                                     ": is the file truncated, or a comma not in quotes?"));
    }
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space,
                         reader.Space(space_column_.has_value() ? fields[*space_column_] : space_));
    ZCB_ASSIGN_OR_RETURN(const std::string architecture, space->space->Parse(fields[architecture_]));
    std::map<std::string, PublishedRow> rows;  // by task
    for (const CsvColumn& column : columns_) {
      std::string task = column.task;
      if (task.empty() && task_column_.has_value()) task = fields[*task_column_];
      if (task.empty()) task = task_.empty() ? reader.options().task : task_;
      if (task.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the table does not say which task column `", column.name, "` is of; give --task"));
      }
      if (!reader.Wants(task)) continue;
      const std::string& field = fields[column.index];
      if (field.empty() || field == "undefined") continue;
      double value = 0;
      if (field == "not_finite") {
        value = kPublishedNotFinite;
      } else if (!absl::SimpleAtod(field, &value)) {
        return absl::InvalidArgumentError(absl::StrCat("`", field, "` in column `", column.name, "` is no number"));
      }
      PublishedRow& row = rows[task];
      if (!column.metric.empty()) {
        if (!std::isfinite(value)) {
          return absl::InvalidArgumentError(
              absl::StrCat("`", field, "` in column `", column.name, "` is no finite number"));
        }
        row.accuracies.emplace_back(column.metric, value);
        continue;
      }
      if (IsCount(column.proxy) && std::isfinite(value) && value != kPublishedNotFinite) {
        if (in_millions_) value = std::round(value * 1e6);
        if (column.proxy == kParams) {
          ZCB_RETURN_IF_ERROR(reader.CheckParameters(*space, architecture, task, value / 1e6, /*exact=*/true));
        }
      }
      if (reader.WantsProxy(column.proxy)) row.scores.push_back(MakeScore(column.proxy, value, 0));
    }
    for (auto& [task, row] : rows) {
      row.space = space->name;
      ZCB_ASSIGN_OR_RETURN(row.task, FindPublishedTask(task));
      row.architecture = architecture;
      ZCB_RETURN_IF_ERROR(reader.Emit(row));
    }
    return absl::OkStatus();
  }

 private:
  // `c10_test`, `class_scene_val_best`; also tells the space.
  static bool AccuracyOfTask(const std::string& name, CsvLayout& layout, CsvColumn& column) {
    if (name == "c10valid_test") {
      column.task = "cifar10";
      column.metric = "test_cifar10valid";
      layout.space_ = "nasbench201";
      return true;
    }
    for (const auto& [prefix, task] : kNasbench201Tasks) {
      if (!absl::StartsWith(name, absl::StrCat(prefix, "_"))) continue;
      if (const char* metric = Lookup(kMetrics, name.substr(std::string_view(prefix).size() + 1))) {
        column.task = task;
        column.metric = metric;
        layout.space_ = "nasbench201";
        return true;
      }
    }
    for (const Task& task : task_registry().All()) {
      if (!absl::StartsWith(name, task.name + "_")) continue;
      if (const char* metric = Lookup(kMetrics, name.substr(task.name.size() + 1))) {
        column.task = task.name;
        column.metric = metric;
        if (name.ends_with("_best") || name.ends_with("_last")) layout.space_ = "transnas_micro";
        return true;
      }
    }
    return false;
  }

  static bool ScoreOfTask(const std::string& name, CsvColumn& column) {
    for (const auto& [prefix, proxy] : kProxyPrefixes) {
      if (!absl::StartsWith(name, prefix)) continue;
      const std::string task = name.substr(std::string_view(prefix).size());
      if (!task_registry().Find(task).ok()) continue;
      column.task = task;
      column.proxy = proxy;
      return true;
    }
    return false;
  }

  size_t width_ = 0;
  size_t architecture_ = 0;
  bool in_millions_ = true;
  std::optional<size_t> space_column_;
  std::optional<size_t> task_column_;
  std::string space_;
  std::string task_;
  std::vector<CsvColumn> columns_;
};

absl::Status ReadCsv(std::istream& in, const std::string& file, Reader& reader) {
  std::string line;
  std::optional<CsvLayout> layout;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a byte order mark
    if (line.empty()) continue;
    const auto read_line = [&]() -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> fields, SplitCsvRecord(line));
      if (layout.has_value()) return layout->Read(fields, reader);
      ZCB_ASSIGN_OR_RETURN(layout, CsvLayout::Create(fields, reader));
      return absl::OkStatus();
    };
    if (const absl::Status status = read_line(); !status.ok()) return Annotate(status, absl::StrCat(file, ":", number));
  }
  return absl::OkStatus();
}

// ---- JSON.

// The AutoFormer tuple of a record's `arch` or `net_setting`, and the space that its width implies.
absl::StatusOr<std::pair<std::string, std::string>> AutoformerTuple(const json& arch) {
  const auto width = [&]() -> std::optional<double> {
    for (const char* key : {"hidden_dim", "embed_dim"}) {
      if (!arch.contains(key)) continue;
      const json& value = arch[key].is_array() && !arch[key].empty() ? arch[key][0] : arch[key];
      if (value.is_number()) return value.get<double>();
    }
    return std::nullopt;
  }();
  const auto is_list = [&](const char* key) {
    return arch.contains(key) && arch[key].is_array() && !arch[key].empty() &&
           std::all_of(arch[key].begin(), arch[key].end(), [](const json& value) { return value.is_number(); });
  };
  if (!width.has_value() || !is_list("mlp_ratio") || !is_list("num_heads")) {
    return absl::InvalidArgumentError(absl::StrCat("no AutoFormer network (hidden_dim or embed_dim, mlp_ratio, ",
                                                   "num_heads): ", arch.dump().substr(0, 200)));
  }
  std::vector<std::string> parts = {absl::StrCat(arch["mlp_ratio"].size())};
  for (const json& ratio : arch["mlp_ratio"]) parts.push_back(absl::StrCat(ratio.get<double>()));
  for (const json& heads : arch["num_heads"]) parts.push_back(absl::StrCat(heads.get<double>()));
  parts.push_back(absl::StrCat(*width));
  return std::pair(absl::StrCat("(", absl::StrJoin(parts, ", "), ")"), *width < 300   ? std::string("autoformer_tiny")
                                                                       : *width < 500 ? std::string("autoformer_small")
                                                                                      : std::string("autoformer_base"));
}

absl::Status ReadVitRecord(const json& record, const json& arch, Reader& reader) {
  ZCB_ASSIGN_OR_RETURN(const auto network, AutoformerTuple(arch));
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, reader.Space(network.second));
  ZCB_ASSIGN_OR_RETURN(const std::string architecture, space->space->Parse(network.first));
  std::map<std::string, PublishedRow> rows;
  for (const auto& [key, task, metric] : kVitAccuracies) {
    if (!record.contains(key) || record[key].is_null()) continue;
    if (!record[key].is_number()) return absl::InvalidArgumentError(absl::StrCat("`", key, "` is no number"));
    std::string name = task;
    if (name.empty()) name = reader.options().task.empty() ? "imagenet" : reader.options().task;
    if (!task_registry().Find(name).ok()) {
      reader.notes.left_out.insert(key);
      continue;
    }
    if (reader.Wants(name)) rows[name].accuracies.emplace_back(metric, record[key].get<double>());
  }
  for (const char* key : {"params", "params_m"}) {
    if (!record.contains(key) || !record[key].is_number()) continue;
    ZCB_RETURN_IF_ERROR(
        reader.CheckParameters(*space, architecture, "imagenet", record[key].get<double>(), /*exact=*/false));
  }
  for (auto& [task, row] : rows) {
    row.space = space->name;
    row.task = task;
    row.architecture = architecture;
    ZCB_RETURN_IF_ERROR(reader.Emit(row));
  }
  return absl::OkStatus();
}

// {proxy: {"score", "time"}, "val_accuracy": ...}.
absl::Status ReadNasbenchSuiteRecord(const std::string& task_name, const std::string& text, const json& record,
                                     Reader& reader) {
  PublishedRow row;
  ZCB_ASSIGN_OR_RETURN(row.task, FindPublishedTask(task_name));
  if (!reader.Wants(row.task)) return absl::OkStatus();
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, reader.Space(""));
  row.space = space->name;
  ZCB_ASSIGN_OR_RETURN(row.architecture, space->space->Parse(text));
  for (const auto& [key, value] : record.items()) {
    if (key == "val_accuracy") {
      if (!value.is_number()) return absl::InvalidArgumentError("`val_accuracy` is no number");
      row.accuracies.emplace_back("validation", value.get<double>());
      continue;
    }
    if (!value.is_object()) continue;  // id, index
    if (!value.contains("score")) return absl::InvalidArgumentError(absl::StrCat("`", key, "` has no score"));
    ZCB_ASSIGN_OR_RETURN(const ProxyText proxy, ParseProxyText(key));
    double score = value["score"].is_number() ? value["score"].get<double>() : kPublishedNotFinite;
    double seconds = value.contains("time") && value["time"].is_number() ? value["time"].get<double>() : 0;
    if (!std::isfinite(seconds) || seconds < 0) seconds = 0;
    if (IsCount(key) && std::isfinite(score) && score != kPublishedNotFinite) {
      if (key == kParams) {
        ZCB_RETURN_IF_ERROR(reader.CheckParameters(*space, row.architecture, row.task, score, /*exact=*/true));
      }
      score = std::round(score * 1e6);
    }
    const std::string name = PrintProxyText(proxy);
    if (reader.WantsProxy(name)) row.scores.push_back(MakeScore(name, score, seconds));
  }
  return reader.Emit(row);
}

// Cuts the text into records, the objects that hold one architecture each, and keeps one of them at a time.
class RecordParser final : public nlohmann::json_sax<json> {
 public:
  explicit RecordParser(Reader& reader) : reader_(reader) {}

  const absl::Status& status() const { return status_; }

  bool null() override { return Value(nullptr); }
  bool boolean(bool value) override { return Value(value); }
  bool number_integer(number_integer_t value) override { return Value(value); }
  bool number_unsigned(number_unsigned_t value) override { return Value(value); }
  bool number_float(number_float_t value, const string_t&) override { return Value(value); }
  bool string(string_t& value) override { return Value(value); }
  bool binary(binary_t&) override { return false; }

  bool start_object(size_t) override {
    if (!open_.empty()) return Open(json::object());
    if (path_.size() == (in_list_ ? 1u : 2u)) return Begin();
    path_.emplace_back();
    return true;
  }
  bool start_array(size_t) override {
    if (!open_.empty()) return Open(json::array());
    if (!path_.empty() || in_list_) return Fail("a list where an architecture's record should be");
    in_list_ = true;
    path_.emplace_back();
    return true;
  }
  bool key(string_t& name) override {
    if (open_.empty()) {
      path_.back() = name;
      // {"0": {"net_setting": ...}}: the object that has just begun is a record itself.
      if (path_.size() == 2 &&
          std::any_of(std::begin(kVitKeys), std::end(kVitKeys), [&](const char* key) { return name == key; })) {
        path_.pop_back();
        Begin();
      }
    }
    if (!open_.empty()) key_.back() = name;
    return true;
  }
  bool end_object() override {
    if (open_.empty()) {
      if (!path_.empty()) path_.pop_back();
      return true;
    }
    return Close();
  }
  bool end_array() override { return open_.empty() ? true : Close(); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(absl::StrCat("no JSON at byte ", position, ": ", error.what()));
    }
    return false;
  }

 private:
  bool Begin() {
    record_ = json::object();
    open_ = {&record_};
    key_ = {""};
    return true;
  }
  bool Open(json value) {
    json& added = Add(std::move(value));
    open_.push_back(&added);
    key_.emplace_back();
    return true;
  }
  json& Add(json value) {
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return parent.back();
    }
    return parent[key_.back()] = std::move(value);
  }
  bool Value(json value) {
    if (open_.empty()) return Fail("a value where an architecture's record should be");
    Add(std::move(value));
    return true;
  }
  bool Fail(const std::string& what) {
    status_ = absl::InvalidArgumentError(absl::StrCat(
        what, "; expected {task: {architecture: {proxy: {\"score\": ...}}}} or a list of {\"arch\": ...}"));
    return false;
  }
  bool Close() {
    open_.pop_back();
    key_.pop_back();
    if (!open_.empty()) return true;
    ++records_;
    const std::string where = in_list_ ? absl::StrCat("record ", records_ - 1) : absl::StrJoin(path_, " / ");
    status_ = Annotate(Read(), where);
    return status_.ok();
  }
  absl::Status Read() {
    for (const char* key : kVitKeys) {
      if (record_.contains(key) && record_[key].is_object()) return ReadVitRecord(record_, record_[key], reader_);
    }
    if (!in_list_ && path_.size() < 2) return absl::InvalidArgumentError("`arch` or `net_setting` is no object");
    if (!in_list_) return ReadNasbenchSuiteRecord(path_[0], path_[1], record_, reader_);
    if (!record_.contains("arch") || !record_["arch"].is_string()) {
      return absl::InvalidArgumentError("no `arch`");
    }
    if (reader_.options().task.empty()) return absl::InvalidArgumentError("the table names no task; give --task");
    return ReadNasbenchSuiteRecord(reader_.options().task, record_["arch"].get<std::string>(), record_, reader_);
  }

  Reader& reader_;
  absl::Status status_;
  std::vector<std::string> path_;  // keys above the records
  bool in_list_ = false;
  uint64_t records_ = 0;
  json record_;
  std::vector<json*> open_;  // from the record to where values go now
  std::vector<std::string> key_;
};

}  // namespace

absl::StatusOr<std::string> FindPublishedTask(const std::string& name) {
  if (const char* task = Lookup(kTasks, name)) return std::string(task);
  const absl::StatusOr<const Task*> task = task_registry().Find(name);
  if (task.ok()) return (*task)->name;
  return absl::NotFoundError(
      absl::StrCat(task.status().message(), "; --task TASK imports one task of the table alone"));
}

std::string NasBenchSuiteZeroTask(const std::string& task) {
  for (const auto& [published, own] : kTasks) {
    if (task == own) return published;
  }
  return task;
}

absl::StatusOr<PublishedTableNotes> ReadPublishedTable(
    const std::string& file, const PublishedTableOptions& options,
    const std::function<absl::Status(const PublishedRow&)>& receive) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return absl::NotFoundError(absl::StrCat(file, " is no file"));
  std::ifstream in(file, std::ios::binary);
  if (!in) return absl::InvalidArgumentError(absl::StrCat(file, " cannot be read"));
  Reader reader(options, receive);
  in >> std::ws;
  if (in.peek() == '{' || in.peek() == '[') {
    RecordParser parser(reader);
    json::sax_parse(in, &parser);
    if (!parser.status().ok()) return Annotate(parser.status(), file);
  } else {
    in.clear();
    in.seekg(0);
    ZCB_RETURN_IF_ERROR(ReadCsv(in, file, reader));
  }
  if (in.bad()) return absl::UnavailableError(absl::StrCat(file, " could not be read to its end"));
  if (reader.notes.rows == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " has no rows", options.task.empty() ? "" : absl::StrCat(" of ", options.task)));
  }
  return reader.notes;
}

}  // namespace zcbench
