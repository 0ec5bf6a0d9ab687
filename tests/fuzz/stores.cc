// Store files that are damaged: a sound one with bytes changed. Opening, reading and publishing it ends, with an answer
// or an error.
//
// An input is edits of four bytes: an offset of three, little-endian, and the new byte. An offset beyond the file's
// end, taken modulo its size, is where the file is cut.
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/temporary_folder.h"
#include "db/sqlite/sqlite_store.h"
#include "server/scheduler.h"
#include "tests/fuzz/fuzz.h"

namespace zcbench {
namespace {

const absl::Time kNoon = absl::FromUnixSeconds(1'790'000'000);

// The bytes of a file with something in most tables.
std::string MakeStore() {
  const TemporaryFolder folder;
  {
    const std::unique_ptr<Store> store = OpenSqliteStore(folder / "store.db").value();
    const std::unique_ptr<Scheduler> scheduler = Scheduler::Create(*store, SystemClock()).value();
    v1::OpenSessionRequest session;
    session.set_worker("w");
    session.mutable_execution()->set_worker("w");
    session.mutable_execution()->set_device("cpu");
    session.mutable_execution()->set_numerics("cpu-test");
    v1::SpaceInfo& space = *session.add_spaces();
    space.set_name("nasbench201");
    space.set_version("1");
    v1::ProxyInfo& proxy = *session.add_proxies();
    proxy.set_name("params");
    proxy.set_version("1.1");
    v1::SynchronizeRequest synchronize;
    synchronize.set_session(scheduler->OpenSession(session).value().session());
    synchronize.set_state(v1::WORKER_STATE_IDLE);
    synchronize.set_wanted(1);
    v1::CreateJobRequest job;
    job.mutable_spec()->set_space("nasbench201");
    job.mutable_spec()->set_task("photos");
    job.mutable_spec()->add_proxies("params");
    job.mutable_spec()->add_seeds(0);
    job.mutable_spec()->mutable_listed()->add_architectures("0_00_000");
    job.mutable_spec()->mutable_listed()->add_architectures("3_33_133");
    ZCB_CHECK(scheduler->CreateJob(job).ok());
    ZCB_CHECK(scheduler->Synchronize(synchronize).value().leases_size() == 1);
    ZCB_CHECK(
        store
            ->Write([](StoreWriter& writer) -> absl::Status {
              const ScoreColumn column{.key = {.space = "nasbench201",
                                               .task = "photos",
                                               .proxy = "params",
                                               .version = "1.1.1",
                                               .numerics = "cpu-test"},
                                       .tolerance = 1e-4};
              const NewScore score{.series = 0, .architecture = "3_33_133", .value = 1.5, .seconds = 0.5};
              ZCB_RETURN_IF_ERROR(
                  writer.AddScores({&column, 1}, {&score, 1}, {.worker = "w", .numerics = "cpu-test"}, kNoon).status());
              const NewAccuracy accuracy{.architecture = "3_33_133", .value = 93.5};
              return writer
                  .AddAccuracies({.space = "nasbench201", .task = "photos", .metric = "test", .source = "made up"},
                                 "CC0", std::string(64, 'f'), {&accuracy, 1}, kNoon)
                  .status();
            })
            .ok());
  }
  return ReadFile(folder / "store.db").value();
}

std::string Edit(std::string bytes, std::string_view edits) {
  for (; edits.size() >= 4 && !bytes.empty(); edits.remove_prefix(4)) {
    size_t offset = 0;
    for (size_t i = 0; i < 3; ++i) offset |= size_t{static_cast<uint8_t>(edits[i])} << (8 * i);
    if (offset >= bytes.size()) {
      bytes.resize(offset % bytes.size());
    } else {
      bytes[offset] = edits[3];
    }
  }
  return bytes;
}

void Read(Store& store, const std::filesystem::path& published) {
  (void)store.Read([](StoreReader& reader) -> absl::Status {
    (void)reader.GetSpaces();
    (void)reader.GetProxies();
    (void)reader.ListProbeBatches("", "", 10);
    (void)reader.ListConflicts({}, 10);
    (void)reader.ListAccuracies("nasbench201", "photos");
    (void)reader.ReadAccuracies(AccuracyId{1}, {}, 10);
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, reader.ListSeries({}, {}, 10));
    for (const SeriesInfo& info : series) {
      ZCB_ASSIGN_OR_RETURN(const std::vector<ScoreRow> rows, reader.ReadColumn(info.id, {}, 10));
      for (const ScoreRow& row : rows) (void)reader.GetArchitecture(row.architecture);
    }
    return absl::OkStatus();
  });
  if (const auto scheduler = Scheduler::Create(store, SystemClock()); scheduler.ok()) {
    (void)(*scheduler)->ListJobs({});
    (void)(*scheduler)->ExplainJob({});
    (void)(*scheduler)->HasWork();
  }
  (void)store.Publish(published);
}

}  // namespace

void Fuzz(std::string_view input) {
  static const std::string sound = MakeStore();
  const TemporaryFolder folder;
  const std::string bytes = Edit(sound, input);
  ZCB_CHECK(WriteFileAtomically(folder / "store.db", bytes).ok());
  if (const auto store = OpenSqliteStore(folder / "store.db"); store.ok()) {
    Read(**store, folder / "published.db");
  } else {
    ZCB_CHECK(!input.empty());
  }
  ZCB_CHECK(WriteFileAtomically(folder / "copy.db", bytes).ok());
  if (const auto store = OpenPublishedStore(folder / "copy.db"); store.ok()) Read(**store, folder / "again.db");
}

}  // namespace zcbench
