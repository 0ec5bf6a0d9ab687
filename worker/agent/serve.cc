#include "worker/agent/serve.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "worker/agent/frames.h"
#include "zcbench/v1/scorer.pb.h"

namespace zcbench {
namespace {

constexpr int kExitSoftware = 70;  // EX_SOFTWARE of sysexits.h

// A record request holds many of these, so a text becomes one line of bounded length; Protobuf would refuse a string
// that is no UTF-8, so it is printable ASCII.
std::string OneLine(absl::string_view text) {
  constexpr size_t kMaxBytes = 1000;
  std::string line(text.substr(0, kMaxBytes));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    if (static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  if (text.size() > kMaxBytes) line += "...";
  return line;
}

v1::ScorerHello Hello(const ScorerDescription& description) {
  v1::ScorerHello hello;
  hello.mutable_execution()->set_device(description.device);
  hello.mutable_execution()->set_numerics(description.numerics);
  hello.mutable_execution()->set_zcbench_version(description.zcbench_version);
  hello.mutable_execution()->set_commit(description.commit);
  hello.set_memory_bytes(description.memory_bytes);
  for (const SpaceDescription& space : description.spaces) {
    v1::SpaceInfo& info = *hello.add_spaces();
    info.set_name(space.name);
    info.set_version(space.version);
  }
  for (const ProxyDescription& proxy : description.proxies) {
    v1::ProxyInfo& info = *hello.add_proxies();
    info.set_name(proxy.name);
    info.set_summary(proxy.summary);
    info.set_paper(proxy.paper);
    info.set_version(proxy.version);
    info.set_reads_weights(proxy.reads_weights);
    info.set_reads_images(proxy.reads_images);
    info.set_reads_labels(proxy.reads_labels);
    for (const auto& [option, value] : proxy.options) (*info.mutable_options())[option] = value;
    info.set_tolerance(proxy.tolerance);
    info.set_larger_is_better(proxy.larger_is_better);
    info.set_variant(proxy.variant);
  }
  return hello;
}

v1::ScoreOutcome ToProto(ScoreOutcome outcome) {
  switch (outcome) {
    case ScoreOutcome::kOk:
      return v1::SCORE_OUTCOME_OK;
    case ScoreOutcome::kNotFinite:
      return v1::SCORE_OUTCOME_NOT_FINITE;
    case ScoreOutcome::kUndefined:
      return v1::SCORE_OUTCOME_UNDEFINED;
  }
  return v1::SCORE_OUTCOME_UNSPECIFIED;
}

// Unset is a classification, as the values of nas/task.h begin.
TaskKind FromProto(v1::TaskKind kind) { return static_cast<TaskKind>(std::max(0, static_cast<int>(kind) - 1)); }

ScoringRequest FromProto(const v1::ScoreArchitecture& score) {
  ScoringRequest request;
  request.cell.space = score.cell().space();
  request.cell.task = score.cell().task();
  request.cell.kind = FromProto(score.cell().kind());
  if (score.cell().channels() != 0) request.cell.channels = static_cast<int>(score.cell().channels());
  request.cell.height = static_cast<int>(score.cell().height());
  request.cell.width = static_cast<int>(score.cell().width());
  request.cell.classes = static_cast<int>(score.cell().classes());
  request.cell.images = static_cast<int>(score.cell().images());
  request.architecture = score.architecture();
  request.seed = score.seed();
  request.proxies.assign(score.proxies().begin(), score.proxies().end());
  request.probe_batch = score.probe_batch();
  request.next_architecture = score.next_architecture();
  return request;
}

// INTERNAL: the backend broke its contract.
absl::StatusOr<v1::ArchitectureResult> ScoreArchitecture(const v1::ScoreArchitecture& message,
                                                         ScoringBackend& backend) {
  v1::ArchitectureResult result;
  result.set_architecture(message.architecture());
  result.set_seed(message.seed());
  const absl::StatusOr<std::vector<ScoredProxy>> scored = backend.Score(FromProto(message));
  if (!scored.ok()) {
    result.set_failure(absl::IsResourceExhausted(scored.status()) ? v1::FAILURE_KIND_OUT_OF_MEMORY
                                                                  : v1::FAILURE_KIND_ERROR);
    result.set_failure_message(OneLine(scored.status().message()));
    return result;
  }
  if (scored->size() != static_cast<size_t>(message.proxies_size())) {
    return absl::InternalError(absl::StrCat("the engine returned ", scored->size(), " scores for ",
                                            message.proxies_size(), " proxies of ", message.architecture()));
  }
  for (int i = 0; i < message.proxies_size(); ++i) {
    const ScoredProxy& proxy = (*scored)[static_cast<size_t>(i)];
    if (proxy.outcome == ScoreOutcome::kOk && !std::isfinite(proxy.score)) {
      return absl::InternalError(absl::StrCat("the engine returned OK and ", proxy.score, " for ", message.proxies(i),
                                              " of ", message.architecture()));
    }
    v1::ProxyScore& score = *result.add_scores();
    score.set_proxy(static_cast<uint32_t>(i));
    score.set_outcome(ToProto(proxy.outcome));
    if (proxy.outcome == ScoreOutcome::kOk) score.set_score(proxy.score);
    score.set_seconds(proxy.seconds);
    score.set_reason(OneLine(proxy.reason));
  }
  return result;
}

absl::Status Answer(v1::ScorerRequest& request, ScoringBackend& backend, v1::ScorerResponse& response) {
  switch (request.request_case()) {
    case v1::ScorerRequest::kLoad:
      ZCB_RETURN_IF_ERROR(
          backend.LoadProbeBatch(request.load().digest(), std::move(*request.mutable_load()->mutable_content())));
      response.mutable_accepted();
      return absl::OkStatus();
    case v1::ScorerRequest::kScore: {
      ZCB_ASSIGN_OR_RETURN(*response.mutable_result(), ScoreArchitecture(request.score(), backend));
      return absl::OkStatus();
    }
    case v1::ScorerRequest::REQUEST_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("a request of an unknown kind: agent and scorer are of different builds");
}

absl::Status ServeUntilClosed(int socket, ScoringBackend& backend) {
  v1::ScorerResponse hello;
  *hello.mutable_hello() = Hello(backend.Describe());
  ZCB_RETURN_IF_ERROR(WriteFrame(socket, hello));
  for (;;) {
    v1::ScorerRequest request;
    ZCB_ASSIGN_OR_RETURN(const bool more, ReadFrame(socket, request));
    if (!more) return absl::OkStatus();
    v1::ScorerResponse response;
    if (const absl::Status status = Answer(request, backend, response); !status.ok()) {
      response.mutable_error()->set_code(static_cast<int>(status.code()));
      response.mutable_error()->set_message(OneLine(status.message()));
    }
    ZCB_RETURN_IF_ERROR(WriteFrame(socket, response));
  }
}

}  // namespace

int Serve(int socket, ScoringBackend& backend) {
  const absl::Status status = ServeUntilClosed(socket, backend);
  if (status.ok()) return 0;
  if (absl::IsUnavailable(status)) {  // the agent died or did not wait for the answer: nobody is there to tell
    Log(LogLevel::kInfo, "the agent is gone", {{"reason", std::string(status.message())}});
    return 0;
  }
  Log(LogLevel::kError, "the agent's requests cannot be read", {{"reason", std::string(status.message())}});
  return kExitSoftware;
}

}  // namespace zcbench
