// What statistics cost where they run: a real store and server, the calls of a real client over loopback.
//
//   bench_science FOLDER [ROUNDS]      (scripts/bench science, which sets Python beside it)
//
// Makes FOLDER/science.db (25 tasks x 2000 architectures x 20 proxies = 1e6 scores, and 25 x 2000 accuracies) unless it
// is there, then prints JSON lines {"name", "first", "seconds"}: the first call and the median of ROUNDS later ones.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/cc/client.h"
#include "db/sqlite/sqlite_store.h"
#include "nas/libra/libra.h"
#include "nas/random.h"
#include "nas/search/search.h"
#include "nas/space.h"
#include "nas/statistics/correlation.h"
#include "server/server.h"

namespace zcbench {
namespace {

constexpr int kTasks = 25;
constexpr int kArchitectures = 2000;
constexpr int kProxies = 20;
constexpr int kFitted = 1000;  // architectures of a fit

// Proxies of various strength, heavy tails among them.
double Score(const CounterStream& stream, double accuracy, int proxy, int architecture) {
  const uint64_t element = uint64_t{4096} * static_cast<uint64_t>(proxy) + static_cast<uint64_t>(architecture);
  const double value = accuracy + (0.3 + 0.05 * proxy) * stream.Normal(element);
  return proxy % 5 == 4 ? std::exp(3 * value) : value;
}

struct Cell {
  std::string task;
  LibraTable table{};
};

Cell MakeCell(int task) {
  // The first task is one that the server knows, for the calls that name it.
  Cell cell{.task = task == 0 ? "cifar10" : absl::StrCat("task", task)};
  const CounterStream stream(static_cast<uint64_t>(task), "bench/science");
  for (int a = 0; a < kArchitectures; ++a) {
    cell.table.accuracy.push_back(stream.Normal(1'000'000 + static_cast<uint64_t>(a)));
  }
  for (int p = 0; p < kProxies; ++p) {
    cell.table.names.push_back(p == 0 ? "params" : absl::StrCat("proxy", p));
    std::vector<double>& column = cell.table.scores.emplace_back();
    for (int a = 0; a < kArchitectures; ++a) column.push_back(Score(stream, cell.table.accuracy[a], p, a));
  }
  cell.table.params = cell.table.scores[0];
  return cell;
}

absl::Status Fill(const std::filesystem::path& file, const std::vector<Cell>& cells) {
  ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenSqliteStore(file));
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace("nasbench201"));
  std::vector<std::string> architectures;
  for (int a = 0; a < kArchitectures; ++a) {
    ZCB_ASSIGN_OR_RETURN(std::string text, space->space->Parse(absl::StrCat("#", a)));
    architectures.push_back(std::move(text));
  }
  for (const Cell& cell : cells) {
    const auto write = [&](StoreWriter& writer) -> absl::Status {
      std::vector<ScoreColumn> columns;
      std::vector<NewScore> scores;
      for (int p = 0; p < kProxies; ++p) {
        columns.push_back({.key = {.space = space->name,
                                   .task = cell.task,
                                   .proxy = cell.table.names[p],
                                   .version = "1.1.1",
                                   .numerics = "bench"}});
      }
      for (int a = 0; a < kArchitectures; ++a) {
        for (int p = 0; p < kProxies; ++p) {
          scores.push_back({.series = static_cast<uint32_t>(p),
                            .architecture = architectures[a],
                            .value = cell.table.scores[p][a],
                            .seconds = 0.1});
        }
      }
      const absl::Time now = absl::FromUnixSeconds(0);
      ZCB_RETURN_IF_ERROR(writer.AddScores(columns, scores, {.worker = "bench", .numerics = "bench"}, now).status());
      std::vector<NewAccuracy> rows;
      for (int a = 0; a < kArchitectures; ++a) rows.push_back({architectures[a], cell.table.accuracy[a]});
      const AccuracyKey key{.space = space->name, .task = cell.task, .metric = "test", .source = "bench"};
      return writer.AddAccuracies(key, "none", std::string(64, '0'), rows, now).status();
    };
    ZCB_RETURN_IF_ERROR(store->Write(write));
  }
  return absl::OkStatus();
}

void Measure(const char* name, int rounds, const std::function<void()>& body) {
  std::vector<double> seconds;
  for (int i = 0; i <= rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const double first = seconds[0];
  seconds.erase(seconds.begin());
  std::sort(seconds.begin(), seconds.end());
  std::printf("{\"name\": \"%s\", \"first\": %.4f, \"seconds\": %.4f}\n", name, first, seconds[seconds.size() / 2]);
  std::fflush(stdout);
}

absl::Status Run(const std::filesystem::path& folder, int rounds) {
  const std::filesystem::path file = folder / "science.db";
  std::vector<Cell> cells;
  for (int t = 0; t < kTasks; ++t) cells.push_back(MakeCell(t));
  if (!std::filesystem::exists(file)) ZCB_RETURN_IF_ERROR(Fill(file, cells));

  std::vector<size_t> rows(kFitted);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  absl::Status failed;
  Measure("LIBRA fit, 25 cells x 1000 architectures x 20 proxies", rounds, [&] {
    for (const Cell& cell : cells) {
      if (const auto fit = FitLibra(cell.table, rows, {}); !fit.ok()) failed = fit.status();
    }
  });
  ZCB_RETURN_IF_ERROR(failed);

  std::vector<double> x(1'000'000);
  std::vector<double> y(1'000'000);
  const CounterStream stream(0, "bench/pairs");
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = stream.Normal(2 * i);
    y[i] = x[i] + stream.Normal(2 * i + 1);
  }
  Measure("Spearman of 1e6 pairs", rounds, [&] { ZCB_CHECK(Spearman(x, y).value.has_value()); });
  Measure("Kendall tau-b of 1e6 pairs", rounds, [&] { ZCB_CHECK(KendallTauB(x, y).value.has_value()); });

  const Space& nasbench201 = *FindSpace("nasbench201").value()->space;
  SearchTable table;
  for (uint64_t i = 0; i < nasbench201.size(); ++i) {
    ZCB_ASSIGN_OR_RETURN(std::string text, nasbench201.At(i));
    table.architectures.push_back(std::move(text));
    table.fitness.push_back(x[i]);
  }
  ZCB_ASSIGN_OR_RETURN(const Search search,
                       Search::Create(nasbench201, std::move(table), {.evaluations = 1'000'000, .population = 100}));
  Measure("regularised evolution on a table, 1e6 evaluations", rounds, [&] {
    if (const auto result = search.Run(0); !result.ok()) failed = result.status();
  });
  ZCB_RETURN_IF_ERROR(failed);

  ServerOptions options{.store = file, .version = "bench"};
  options.listen.address = "127.0.0.1:0";
  options.listen.insecure = true;
  ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Start(options));
  ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(server->access()));
  Measure("task x proxy matrix of a store with 1e6 scores", rounds, [&] {
    const auto tasks = client->CorrelateTasks({});
    if (!tasks.ok()) failed = tasks.status();
    if (tasks.ok()) ZCB_CHECK(tasks->size() == kTasks && (*tasks)[0].correlations_size() == kProxies);
  });
  ZCB_RETURN_IF_ERROR(failed);
  pb::FitLibraRequest request;
  request.mutable_filter()->set_space("nasbench201");
  Measure("zcbench libra fit of a task in the store, with 10 validations", rounds, [&] {
    request.mutable_filter()->set_task("cifar10");
    if (const auto fit = client->FitLibra(request); !fit.ok()) failed = fit.status();
  });
  server->Shutdown();
  return failed;
}

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: bench_science FOLDER [ROUNDS]\n");
    return 2;
  }
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  if (rounds < 1) {
    std::fprintf(stderr, "bench_science: ROUNDS is %s; at least 1 is needed\n", argv[2]);
    return 2;
  }
  const absl::Status status = zcbench::Run(argv[1], rounds);
  if (status.ok()) return 0;
  std::fprintf(stderr, "bench_science: %s\n", std::string(status.message()).c_str());
  return 1;
}
