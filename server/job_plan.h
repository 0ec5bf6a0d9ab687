// A job's spec made precise: every name canonical, `all` expanded, positions numbered. Two requests that mean the same
// have the same plan, and so the same digest.
#ifndef ZCBENCH_SERVER_JOB_PLAN_H_
#define ZCBENCH_SERVER_JOB_PLAN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "db/store.h"
#include "nas/space.h"
#include "nas/task.h"
#include "zcbench/v1/job.pb.h"

namespace zcbench {

// The canonical text of a proxy that `known` holds: options checked, those at their default left out. NOT_FOUND: an
// unknown proxy or option, with the nearest name. INVALID_ARGUMENT: no proxy text.
absl::StatusOr<std::string> CanonicalProxy(std::string_view text, std::span<const KnownProxy> known);

// The key of a score of `proxy` (its canonical text). `seed` and `probe_batch` enter as far as the proxy reads them.
SeriesKey MakeSeriesKey(const std::string& space, const std::string& task, const std::string& text,
                        const KnownProxy& proxy, const std::string& version, uint64_t seed,
                        const std::string& probe_batch, const std::string& numerics);

// What makes a job an audit: it computes scores that are there once more and compares.
struct Audit {
  JobId job{};           // whose scores
  std::string numerics;  // of the scores
  double fraction = 0;
  uint64_t sample_seed = 0;
};

// Positions are seed-major: position p is architecture p % architecture_count() of seed p / architecture_count().
// Thread-safe.
class JobPlan {
 public:
  // Checks every field. NOT_FOUND: an unknown space, task, proxy or option, with the nearest name. UNAVAILABLE: nothing
  // is known of proxies yet. INVALID_ARGUMENT names the field.
  static absl::StatusOr<std::shared_ptr<JobPlan>> Create(const v1::JobSpec& spec, std::span<const KnownProxy> known);

  // An audit of `plan`'s scores, of these architectures (canonical, at least one).
  static std::shared_ptr<JobPlan> CreateAudit(const JobPlan& plan, Audit audit, std::vector<std::string> architectures);

  // From what spec_text() gave. DATA_LOSS: it is no such text.
  static absl::StatusOr<std::shared_ptr<JobPlan>> Restore(const std::string& spec_text);

  const Cell& cell() const { return cell_; }
  const std::vector<std::string>& proxies() const { return proxies_; }  // canonical texts, sorted
  const std::vector<std::string>& names() const { return names_; }      // of the proxies, without options
  const std::vector<uint64_t>& seeds() const { return seeds_; }         // ascending
  // What its proxies see for a seed.
  ProbeBatchKey BatchKey(uint64_t seed) const;
  uint64_t architecture_count() const { return count_; }
  uint64_t total() const { return count_ * seeds_.size(); }
  uint64_t SeedAt(uint64_t position) const { return seeds_[position / count_]; }

  const std::optional<Audit>& audit() const { return audit_; }

  // Of a job that lists them; set by Create alone, after that they are the store's.
  const std::vector<std::string>& listed() const { return listed_; }

  // One line of JSON with sorted keys, which holds everything but a list of architectures (of that: its digest), and
  // the versions of the proxies, so that a newer version makes another job.
  const std::string& spec_text() const { return spec_text_; }
  v1::JobSpec ToSpec() const;

  // The canonical strings of `count` positions from `first` on, which must have one seed. Blocks on the store for a job
  // that lists its architectures.
  absl::StatusOr<std::vector<std::string>> Architectures(Store& store, JobId job, uint64_t first, uint64_t count);

 private:
  enum class Source { kSampled, kIndexed, kListed };

  JobPlan() = default;
  void WriteSpecText();

  Cell cell_;
  std::string input_;
  const SpaceDefinition* space_ = nullptr;
  std::vector<std::string> proxies_;
  std::vector<std::string> names_;
  std::vector<uint64_t> seeds_;
  std::map<std::string, std::string> versions_;  // of the proxies, by name
  std::optional<Audit> audit_;
  Source source_ = Source::kSampled;
  uint64_t count_ = 0;
  uint64_t first_ = 0;        // of kIndexed
  uint64_t sample_seed_ = 0;  // of kSampled
  std::string list_digest_;   // of kListed
  std::vector<std::string> listed_;
  std::string spec_text_;

  Mutex mutex_;
  std::optional<SampleSequence> samples_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_JOB_PLAN_H_
