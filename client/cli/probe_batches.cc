#include "client/cli/probe_batches.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "nas/data/make_probe_batch.h"
#include "nas/data/probe_batch.h"

namespace zcbench {

std::string PrintProbeBatchKey(const pb::ProbeBatchKey& key) {
  return absl::StrCat(key.task(), "/", key.height(), "x", key.width(), "/", key.images(), "/", key.seed(),
                      key.input().empty() ? "" : "/", key.input());
}

absl::StatusOr<pb::ProbeBatchInfo> FindProbeBatch(const std::vector<pb::ProbeBatchInfo>& batches,
                                                  const std::string& text) {
  constexpr size_t kShortestDigest = 6;
  std::vector<std::string> keys;
  const pb::ProbeBatchInfo* found = nullptr;
  for (const pb::ProbeBatchInfo& batch : batches) {
    keys.push_back(PrintProbeBatchKey(batch.key()));
    const bool named =
        keys.back() == text || (text.size() >= kShortestDigest && absl::StartsWith(batch.digest(), text));
    if (!named) continue;
    if (found != nullptr) {
      return absl::NotFoundError(absl::StrCat("several probe batches begin with ", text, "; give more digits"));
    }
    found = &batch;
  }
  if (found == nullptr) return UnknownName("probe batch", text, keys);
  return *found;
}

absl::Status UploadProbeBatch(Client& client, const std::string& encoded) {
  ZCB_ASSIGN_OR_RETURN(const pb::CreateProbeBatchResponse response, client.CreateProbeBatch(encoded));
  Say(absl::StrCat("probe batch ", PrintProbeBatchKey(response.key()),
                   response.created() ? " stored" : " was there already"));
  return absl::OkStatus();
}

absl::Status UploadProbeBatches(Client& client, const DataSet& data, const Task& task, const std::vector<Cell>& cells,
                                const std::vector<uint64_t>& seeds) {
  for (const Cell& cell : cells) {
    for (const uint64_t seed : seeds) {
      ZCB_ASSIGN_OR_RETURN(const ProbeBatch batch, MakeProbeBatch(data, task, cell, seed));
      ZCB_RETURN_IF_ERROR(UploadProbeBatch(client, EncodeProbeBatch(batch)));
    }
  }
  return absl::OkStatus();
}

}  // namespace zcbench
