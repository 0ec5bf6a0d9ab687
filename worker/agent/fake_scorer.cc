// A scorer for the agent's tests: the real protocol over a backend whose behaviour the architecture's name decides.
//   crash-...    dies by SIGSEGV                 abort-...  prints a line and aborts
//   memory-...   RESOURCE_EXHAUSTED              error-...  INTERNAL
//   wait-NAME    creates the file NAME.begun in $ZCB_FAKE_FOLDER and computes until NAME.go is there
//   anything else: the score of proxy i is its position + seed / 1000; `nan` is NOT_FINITE
// With ZCB_FAKE_SPACE=NAME it holds that space and the proxies params, snip and synflow instead of the toy ones, and a
// score is made up of the architecture's digits, the same for each seed: for pages and tests that want real commands
// and no LibTorch. ZCB_FAKE_CRASH names one architecture more that it dies of. With ZCB_FAKE_START=exit it ends before
// hello with status 3, with =silent it never says hello.
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/sha256.h"
#include "worker/agent/serve.h"

namespace zcbench {
namespace {

// Returns when `path` exists: woken by the file system, as a child that waits must end with its agent and not by a
// timer.
void AwaitFile(const std::filesystem::path& path) {
  const int watch = ::inotify_init1(IN_CLOEXEC);
  ::inotify_add_watch(watch, path.parent_path().c_str(), IN_CREATE | IN_MOVED_TO);
  char events[4096];
  while (!std::filesystem::exists(path) && ::read(watch, events, sizeof(events)) > 0) {
  }
  ::close(watch);
}

class FakeBackend final : public ScoringBackend {
 public:
  ScorerDescription Describe() override {
    if (space_ != nullptr) {
      return {.device = "cpu",
              .numerics = "stand-in",
              .zcbench_version = "0.1.0",
              .commit = "",
              .spaces = {{.name = space_, .version = "1"}},
              .proxies = {{.name = "params", .version = "1.1", .tolerance = 1e-9},
                          {.name = "snip", .version = "1.1", .reads_weights = true, .tolerance = 1e-3},
                          {.name = "synflow", .version = "1.1", .reads_weights = true, .tolerance = 1e-3}},
              .memory_bytes = uint64_t{16} << 30};
    }
    return {.device = "cpu",
            .numerics = "fake",
            .zcbench_version = "0.0.0",
            .commit = "",
            .spaces = {{.name = "toy", .version = "3"}},
            .proxies = {{.name = "first", .version = "1.2"},
                        {.name = "nan", .version = "4.5"},
                        {.name = "images", .version = "6.7", .reads_images = true}},
            .memory_bytes = 1000};
  }

  absl::Status LoadProbeBatch(const std::string& digest, std::string bytes) override {
    if (absl::StartsWith(bytes, "bad")) return absl::InvalidArgumentError("byte 0: expected ZCBBATCH");
    if (Sha256Hex(bytes) != digest) return absl::DataLossError("wrong digest");
    batches_.insert(digest);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<ScoredProxy>> Score(const ScoringRequest& request) override {
    const std::string& architecture = request.architecture;
    if (const char* crash = std::getenv("ZCB_FAKE_CRASH"); crash != nullptr && architecture == crash) std::abort();
    if (space_ != nullptr) return MadeUp(request);
    if (absl::StartsWith(architecture, "crash-")) {
      ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would exit instead
      ::raise(SIGSEGV);
    }
    if (absl::StartsWith(architecture, "abort-")) {
      Log(LogLevel::kError, "the kernel rejected the tensor", {{"layer", "7"}});
      std::abort();
    }
    if (absl::StartsWith(architecture, "memory-")) return absl::ResourceExhaustedError("tried to allocate 20 GiB");
    if (absl::StartsWith(architecture, "error-")) return absl::InternalError("layer 3 has no output\nwhich is odd");
    if (absl::StartsWith(architecture, "wait-")) {
      const std::filesystem::path folder = std::getenv("ZCB_FAKE_FOLDER");
      std::ofstream(folder / (architecture + ".begun")).flush();
      AwaitFile(folder / (architecture + ".go"));
    }
    std::vector<ScoredProxy> scores;
    for (const std::string& proxy : request.proxies) {
      if (proxy == "images" && batches_.count(request.probe_batch) == 0) {
        return absl::FailedPreconditionError(absl::StrCat("no probe batch `", request.probe_batch, "`"));
      }
      if (proxy == "nan") {
        scores.push_back({.outcome = ScoreOutcome::kNotFinite, .seconds = 0.5, .reason = "the sum is NaN"});
      } else {
        scores.push_back(
            {.score = static_cast<double>(scores.size()) + static_cast<double>(request.seed) / 1000, .seconds = 0.25});
      }
    }
    return scores;
  }

 private:
  // Proxies agree about the digits' sum, each with a disagreement of its own.
  static std::vector<ScoredProxy> MadeUp(const ScoringRequest& request) {
    int sum = 0;
    for (const char c : request.architecture) sum += c >= '0' && c <= '9' ? c - '0' : 0;
    std::vector<ScoredProxy> scores;
    for (const std::string& proxy : request.proxies) {
      const std::string digest = Sha256Hex(absl::StrCat(request.architecture, "/", proxy));
      scores.push_back({.score = sum + (digest[0] % 16) / 8.0, .seconds = 0.125});
    }
    return scores;
  }

  const char* const space_ = std::getenv("ZCB_FAKE_SPACE");
  std::set<std::string> batches_;
};

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) {
  const char* start = std::getenv("ZCB_FAKE_START");
  if (argc > 1 && std::strcmp(argv[1], "score") == 0) {  // what `zcbench-worker score` becomes
    for (int i = 2; i < argc; ++i) std::cout << argv[i] << "\n";
    return 0;
  }
  if (start != nullptr && std::strcmp(start, "exit") == 0) {
    std::cerr << "no such device\n";
    return 3;
  }
  if (start != nullptr && std::strcmp(start, "silent") == 0) {
    for (;;) ::pause();
  }
  zcbench::FakeBackend backend;
  return zcbench::Serve(3, backend);
}
