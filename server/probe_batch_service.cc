#include "server/probe_batch_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/data/noise.h"
#include "nas/data/probe_batch.h"
#include "nas/task.h"
#include "server/convert.h"
#include "server/handle.h"

namespace zcbench {
namespace {

constexpr size_t kPiece = 256 << 10;
constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr int kMaxUploads = 8;  // at once: each is held in memory

// The pieces of one stored batch.
struct Pieces {
  Store* store;
  std::string digest;
  uint64_t offset;

  absl::StatusOr<bool> Next(v1::FetchProbeBatchResponse& response) {
    ZCB_RETURN_IF_ERROR(CheckDigest("digest", digest));
    const absl::Status read = store->Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(*response.mutable_content(), reader.ReadProbeBatch(digest, offset, kPiece));
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    offset += response.content().size();
    return !response.content().empty();
  }
};

}  // namespace

class ProbeBatchService::Upload final : public grpc::ServerReadReactor<v1::CreateProbeBatchRequest> {
 public:
  Upload(ProbeBatchService& service, grpc::CallbackServerContext& context, v1::CreateProbeBatchResponse* response)
      : service_(service), call_(NameCall(context, "CreateProbeBatch")), response_(response) {
    if (++service_.uploads_ > kMaxUploads) {
      Stop(absl::UnavailableError(absl::StrCat(kMaxUploads, " probe batches are being uploaded; try again")));
    } else {
      StartRead(&request_);
    }
  }
  ~Upload() override { --service_.uploads_; }

  void OnReadDone(bool ok) override {
    if (finished_) return;
    if (!ok) {
      const bool posted = service_.executor_.Post([this] {
        const LogContext log({{"request", call_.request}});
        absl::StatusOr<v1::CreateProbeBatchResponse> added = service_.Add(digest_, content_);
        if (added.ok()) *response_ = *std::move(added);
        Finish(Answer(added.status(), call_));
      });
      if (!posted) Finish(Answer(Overloaded(), call_));
      return;
    }
    if (digest_.empty()) digest_ = request_.digest();
    if (const absl::Status good = CheckDigest("digest", digest_); !good.ok()) return Stop(good);
    if (!request_.digest().empty() && request_.digest() != digest_) {
      return Stop(BadField("digest", "changes within one upload"));
    }
    if (request_.content().size() > kPiece) {
      return Stop(BadField("content", absl::StrCat("has ", request_.content().size(), " bytes; at most ", kPiece,
                                                   " are allowed in one message")));
    }
    if (content_.size() + request_.content().size() > kMaxBytes) {
      return Stop(BadField("content", absl::StrCat("is more than ", kMaxBytes, " bytes in all, which is the limit")));
    }
    content_ += request_.content();
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  void Stop(const absl::Status& status) {
    finished_ = true;
    Finish(Answer(status, call_));
  }

  ProbeBatchService& service_;
  const CallName call_;
  v1::CreateProbeBatchResponse* const response_;
  v1::CreateProbeBatchRequest request_;
  std::string digest_;
  std::string content_;
  bool finished_ = false;
};

absl::StatusOr<v1::CreateProbeBatchResponse> ProbeBatchService::Add(const std::string& digest,
                                                                    const std::string& content) {
  if (content.empty()) return BadField("content", "is empty");
  if (const std::string actual = ProbeBatchDigest(content); actual != digest) {
    return BadField("digest", absl::StrCat(digest, " was announced, but the ", content.size(), " bytes have ", actual));
  }
  absl::StatusOr<ProbeBatch> batch = DecodeProbeBatch(content);
  if (!batch.ok()) return Annotate(batch.status(), "content");
  const absl::StatusOr<Cell> cell = FindProbeBatchCell(*batch);
  if (!cell.ok()) return Annotate(cell.status(), "content");
  ZCB_RETURN_IF_ERROR(CheckSeed("content: seed", batch->seed));
  const bool noise = batch->source == kNoise;
  if (noise && *batch != MakeNoise(*cell, batch->seed)) {
    return BadField("content",
                    "has the source `noise` and is not the noise of its task, size and seed; the source of "
                    "other images is a SHA-256");
  }
  ProbeBatchRow row{.key = {.task = batch->task,
                            .height = batch->height,
                            .width = batch->width,
                            .images = batch->images,
                            .seed = batch->seed,
                            .input = noise ? kNoise : ""},
                    .digest = digest,
                    .bytes = content.size(),
                    .created = clock_.Now()};
  bool created = false;
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    created = false;
    const absl::StatusOr<ProbeBatchRow> other = writer.FindProbeBatch(row.key);
    if (absl::IsNotFound(other.status())) {
      created = true;
      return writer.AddProbeBatch(row, content);
    }
    if (!other.ok()) return other.status();
    if (other->digest == digest) return absl::OkStatus();
    return absl::AlreadyExistsError(absl::StrCat("task ", row.key.task, " with ", row.key.images, " images of ",
                                                 row.key.height, " x ", row.key.width, " pixels and seed ",
                                                 row.key.seed, " has the probe batch ", other->digest,
                                                 " already; its data set differs from the one of this upload"));
  });
  ZCB_RETURN_IF_ERROR(written);
  v1::CreateProbeBatchResponse response;
  *response.mutable_key() = ToProto(row).key();
  response.set_created(created);
  return response;
}

grpc::ServerReadReactor<v1::CreateProbeBatchRequest>* ProbeBatchService::CreateProbeBatch(
    grpc::CallbackServerContext* context, v1::CreateProbeBatchResponse* response) {
  return new Upload(*this, *context, response);
}

grpc::ServerWriteReactor<v1::FetchProbeBatchResponse>* ProbeBatchService::FetchProbeBatch(
    grpc::CallbackServerContext* context, const v1::FetchProbeBatchRequest* request) {
  return new Stream<v1::FetchProbeBatchResponse, Pieces>(executor_, context, "FetchProbeBatch",
                                                         Pieces{&store_, request->digest(), request->offset()});
}

grpc::ServerUnaryReactor* ProbeBatchService::ListProbeBatches(grpc::CallbackServerContext* context,
                                                              const v1::ListProbeBatchesRequest* request,
                                                              v1::ListProbeBatchesResponse* response) {
  return Handle(executor_, context, "ListProbeBatches", [=, this]() -> absl::Status {
    ZCB_RETURN_IF_ERROR(CheckText("task", request->task(), 64, true));
    if (!request->task().empty()) ZCB_RETURN_IF_ERROR(task_registry().Find(request->task()).status());
    if (!request->page_token().empty()) ZCB_RETURN_IF_ERROR(CheckDigest("page_token", request->page_token()));
    const int size = PageSize(request->page_size());
    std::vector<ProbeBatchRow> rows;
    const absl::Status read = store_.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(rows, reader.ListProbeBatches(request->task(), request->page_token(), size + 1));
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    for (const ProbeBatchRow& row : rows) {
      if (response->probe_batches_size() == size) {
        response->set_next_page_token(response->probe_batches(size - 1).digest());
        break;
      }
      *response->add_probe_batches() = ToProto(row);
    }
    return absl::OkStatus();
  });
}

}  // namespace zcbench
