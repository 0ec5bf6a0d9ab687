// A scorer for the agent's tests: the real protocol over a backend whose behaviour the architecture's name decides.
//   crash-...    dies by SIGSEGV                 abort-...  prints a line and aborts
//   memory-...   RESOURCE_EXHAUSTED              error-...  INTERNAL
//   wait-NAME    creates the file NAME.begun in $ZCB_FAKE_FOLDER and computes until NAME.go is there
//   kill-...     dies as by the out-of-memory killer
//   nan-...      every score is NOT_FINITE       undefined-...  every score is UNDEFINED
//   anything else: the score of proxy i is its position + seed / 1000; `nan` is NOT_FINITE
// With ZCB_FAKE_SPACE=NAME it holds that space and some proxies instead of the toy ones, and a score is made up of the
// architecture's digits, the same for each seed: for pages and tests that want real commands and no LibTorch. Real
// servers take no such names as above, so ZCB_FAKE_FAULTS gives its architectures a behaviour: `NAME=crash,...`.
// ZCB_FAKE_SHIFT is added to every score, and each architecture takes ZCB_FAKE_MILLISECONDS.
// With ZCB_FAKE_START=exit it ends before hello with status 3, with =silent it never says hello.
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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

double NumberOf(const char* variable) {
  double number = 0;
  const char* text = std::getenv(variable);
  if (text != nullptr) ZCB_CHECK(absl::SimpleAtod(text, &number));
  return number;
}

class FakeBackend final : public ScoringBackend {
 public:
  ScorerDescription Describe() override {
    if (space_ != nullptr) {
      ScorerDescription description = {.device = "cpu",
                                       .numerics = "stand-in",
                                       .zcbench_version = "0.1.0",
                                       .commit = "",
                                       .spaces = {{.name = space_, .version = "1"}},
                                       .proxies = {},
                                       .memory_bytes = uint64_t{16} << 30};
      for (const std::string proxy : {"flops", "l2_norm", "params", "snip", "synflow"}) {
        const bool reads_weights = proxy != "flops" && proxy != "params";
        description.proxies.push_back({.name = proxy,
                                       .version = reads_weights ? "1.1" : "1.0",
                                       .reads_weights = reads_weights,
                                       .tolerance = reads_weights ? 1e-3 : 1e-9});
      }
      return description;
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
    const auto fault = faults_.find(request.architecture);
    const std::string architecture =
        fault == faults_.end() ? request.architecture : absl::StrCat(fault->second, "-", request.architecture);
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(milliseconds_));  // this is the computation
    if (absl::StartsWith(architecture, "crash-")) {
      ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would exit instead
      ::raise(SIGSEGV);
    }
    if (absl::StartsWith(architecture, "abort-")) {
      Log(LogLevel::kError, "the kernel rejected the tensor", {{"layer", "7"}});
      std::abort();
    }
    if (absl::StartsWith(architecture, "kill-")) ::raise(SIGKILL);
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
      if (absl::StartsWith(architecture, "undefined-")) {
        scores.push_back({.outcome = ScoreOutcome::kUndefined, .seconds = 0.5, .reason = "there is no such layer"});
      } else if (proxy == "nan" || absl::StartsWith(architecture, "nan-")) {
        scores.push_back({.outcome = ScoreOutcome::kNotFinite, .seconds = 0.5, .reason = "the sum is NaN"});
      } else {
        const double score = space_ != nullptr
                                 ? MadeUp(request.architecture, proxy)
                                 : static_cast<double>(scores.size()) + static_cast<double>(request.seed) / 1000;
        scores.push_back({.score = score + shift_, .seconds = milliseconds_ > 0 ? milliseconds_ / 1000 : 0.125});
      }
    }
    return scores;
  }

 private:
  // Proxies agree about the digits' sum, each with a disagreement of its own.
  static double MadeUp(const std::string& architecture, const std::string& proxy) {
    int sum = 0;
    for (const char c : architecture) sum += c >= '0' && c <= '9' ? c - '0' : 0;
    return sum + (Sha256Hex(absl::StrCat(architecture, "/", proxy))[0] % 16) / 8.0;
  }

  static std::map<std::string, std::string> ReadFaults() {
    const char* text = std::getenv("ZCB_FAKE_FAULTS");
    std::map<std::string, std::string> faults;
    for (const auto part : absl::StrSplit(text == nullptr ? "" : text, ',', absl::SkipEmpty())) {
      faults.insert(absl::StrSplit(part, absl::MaxSplits('=', 1)));
    }
    return faults;
  }

  const char* const space_ = std::getenv("ZCB_FAKE_SPACE");
  const std::map<std::string, std::string> faults_ = ReadFaults();
  const double shift_ = NumberOf("ZCB_FAKE_SHIFT");
  const double milliseconds_ = NumberOf("ZCB_FAKE_MILLISECONDS");
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
  if (argc > 1 && std::strcmp(argv[1], "describe") == 0) {
    std::cout << R"({"device": "cpu", "numerics": "stand-in", "zcbench_version": "0.1.0"})"
              << "\n";
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
