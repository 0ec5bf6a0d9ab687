// What every store must do. A backend's test file instantiates the suite and says only how to open one:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, StoreSuite, testing::Values(StoreBackend{"sqlite", open}));
#ifndef ZCBENCH_DB_STORE_SUITE_H_
#define ZCBENCH_DB_STORE_SUITE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/temporary_folder.h"
#include "db/store.h"

namespace zcbench {

struct StoreBackend {
  std::string name;
  // The same folder again is the same store.
  std::function<absl::StatusOr<std::unique_ptr<Store>>(const std::filesystem::path& folder)> open;
};

class StoreSuite : public testing::TestWithParam<StoreBackend> {
 protected:
  void SetUp() override;

  Store& store() { return *store_; }
  // Closes the store and opens it again, as a restarted server does.
  void Reopen();

  // The calls in a transaction of their own.
  JobId AddJob(const std::string& digest);
  void AddUnits(JobId job, int count, uint64_t size = 1);
  std::vector<WorkUnit> Acquire(JobId job, const std::string& worker, absl::Time now, absl::Time expires,
                                int limit = 1);
  absl::StatusOr<std::vector<Disposition>> AddScores(const std::vector<ScoreColumn>& columns,
                                                     const std::vector<NewScore>& scores);

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
};

}  // namespace zcbench

#endif  // ZCBENCH_DB_STORE_SUITE_H_
