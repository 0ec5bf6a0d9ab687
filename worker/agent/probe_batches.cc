#include "worker/agent/probe_batches.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "proto/channel.h"
#include "worker/agent/frames.h"

namespace zcbench {
namespace {

constexpr size_t kMaxBytes = kMaxFrameBytes - 4096;  // the frame that carries it to the scorer has a few fields more

// The digest becomes a file's name.
absl::Status CheckDigest(const std::string& digest) {
  const bool digits = std::all_of(digest.begin(), digest.end(),
                                  [](char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); });
  if (digits && digest.size() == 64) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("probe batch digest `", digest, "`: expected 64 lower-case hexadecimal digits"));
}

}  // namespace

absl::StatusOr<std::string> ProbeBatchCache::Read(const std::string& digest) const {
  ZCB_RETURN_IF_ERROR(CheckDigest(digest));
  const std::filesystem::path path = folder_ / digest;
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxBytes);
  if (absl::IsNotFound(bytes.status())) return bytes;
  std::string reason(bytes.status().message());
  if (bytes.ok()) {
    const std::string found = Sha256Hex(*bytes);
    if (found == digest) return bytes;
    reason = absl::StrCat("its ", bytes->size(), " bytes have the digest ", found);
  }
  Log(LogLevel::kWarning, "a cached probe batch is damaged and is fetched again",
      {{"file", path.string()}, {"reason", reason}});
  std::error_code error;
  std::filesystem::remove(path, error);
  return absl::NotFoundError(absl::StrCat(path.string(), ": damaged"));
}

void ProbeBatchCache::Write(const std::string& digest, const std::string& bytes) const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  const absl::Status status = error ? absl::UnavailableError(absl::StrCat(folder_.string(), ": ", error.message()))
                                    : WriteFileAtomically(folder_ / digest, bytes);
  if (!status.ok()) {
    Log(LogLevel::kWarning, "cannot cache a probe batch", {{"reason", std::string(status.message())}});
  }
}

absl::Status FetchProbeBatch(v1::ProbeBatchService::StubInterface& server, const std::string& digest,
                             std::string& bytes) {
  ZCB_RETURN_IF_ERROR(CheckDigest(digest));
  grpc::ClientContext context;
  // Of one try: the next one continues where this one ended.
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  v1::FetchProbeBatchRequest request;
  request.set_digest(digest);
  request.set_offset(bytes.size());
  const auto stream = server.FetchProbeBatch(&context, request);
  v1::FetchProbeBatchResponse response;
  while (stream->Read(&response)) {
    bytes.append(response.content());
    if (bytes.size() > kMaxBytes) {
      context.TryCancel();
      bytes.clear();
      return absl::ResourceExhaustedError(
          absl::StrCat("probe batch ", digest, ": larger than ", kMaxBytes, " bytes, more than a scorer takes"));
    }
  }
  ZCB_RETURN_IF_ERROR(FromGrpc(stream->Finish()));
  const std::string found = Sha256Hex(bytes);
  if (found == digest) return absl::OkStatus();
  const size_t size = bytes.size();
  bytes.clear();
  return absl::DataLossError(
      absl::StrCat("probe batch ", digest, ": the server sent ", size, " bytes with the digest ", found));
}

}  // namespace zcbench
