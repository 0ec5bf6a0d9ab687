#include "server/publication_service.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/proxy_text.h"
#include "nas/space.h"
#include "nas/task.h"
#include "server/convert.h"
#include "server/handle.h"
#include "server/own_file.h"

namespace zcbench {
namespace {

constexpr int kMaxProxies = 64;
constexpr int kMaxCells = 10'000;
constexpr int kPage = 4096;                // accuracies: below 256 KiB on the wire
constexpr size_t kPieceBytes = 256 << 10;  // of a file

class AccuracyStream {
 public:
  AccuracyStream(Store& store, v1::StreamAccuraciesRequest request) : store_(&store), request_(std::move(request)) {}

  absl::StatusOr<bool> Next(v1::StreamAccuraciesResponse& response) {
    if (!begun_) {
      ZCB_RETURN_IF_ERROR(CheckText("space", request_.space(), 64, true));
      ZCB_RETURN_IF_ERROR(CheckText("task", request_.task(), 64, true));
      ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(request_.space()));
      ZCB_RETURN_IF_ERROR(task_registry().Find(request_.task()).status());
      const absl::Status read = store_->Read([&](StoreReader& reader) -> absl::Status {
        ZCB_ASSIGN_OR_RETURN(series_, reader.ListAccuracies(space->name, request_.task()));
        return absl::OkStatus();
      });
      ZCB_RETURN_IF_ERROR(read);
      begun_ = true;
    }
    while (next_ < series_.size()) {
      const AccuracyInfo& info = series_[next_];
      size_t rows = 0;
      const absl::Status read = store_->Read([&](StoreReader& reader) -> absl::Status {
        ZCB_ASSIGN_OR_RETURN(const std::vector<AccuracyRow> page, reader.ReadAccuracies(info.id, after_, kPage));
        rows = page.size();
        for (const AccuracyRow& row : page) {
          ZCB_ASSIGN_OR_RETURN(*response.add_architectures(), reader.GetArchitecture(row.architecture));
          response.add_accuracies(row.value);
          after_ = row.architecture;
        }
        return absl::OkStatus();
      });
      ZCB_RETURN_IF_ERROR(read);
      if (rows < static_cast<size_t>(kPage)) {
        ++next_;
        after_ = {};
      }
      if (rows == 0) continue;
      response.set_source(info.key.source);
      response.set_metric(info.key.metric);
      response.set_licence(info.licence);
      return true;
    }
    return false;
  }

 private:
  Store* store_;
  v1::StreamAccuraciesRequest request_;
  std::vector<AccuracyInfo> series_;
  size_t next_ = 0;
  ArchitectureId after_{};
  bool begun_ = false;
};

class StoreStream {
 public:
  explicit StoreStream(Store& store) : store_(&store) {}

  absl::StatusOr<bool> Next(v1::ExportStoreResponse& response) {
    if (file_ == nullptr) {
      static std::atomic<uint64_t> number = 0;
      std::error_code error;
      const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
      if (error) return absl::UnavailableError("there is no folder for temporary files; set TMPDIR");
      file_ = std::make_unique<OwnFile>(folder / absl::StrCat("zcbench-export-", getpid(), "-", number++, ".db"));
      ZCB_RETURN_IF_ERROR(store_->Publish(file_->path()));
      in_ = std::make_unique<std::ifstream>(file_->path(), std::ios::binary);
    }
    std::string& piece = *response.mutable_content();
    piece.resize(kPieceBytes);
    in_->read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<size_t>(in_->gcount()));
    if (piece.empty() && !in_->eof()) return absl::UnavailableError("the exported file could not be read again");
    return !piece.empty();
  }

 private:
  Store* store_;
  std::unique_ptr<OwnFile> file_;
  std::unique_ptr<std::ifstream> in_;
};

}  // namespace

absl::StatusOr<v1::ImportScoresResponse> PublicationService::DoImportScores(const v1::ImportScoresRequest& request) {
  ZCB_RETURN_IF_ERROR(CheckText("space", request.space(), 64, true));
  ZCB_RETURN_IF_ERROR(CheckText("task", request.task(), 64, true));
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(request.space()));
  ZCB_RETURN_IF_ERROR(task_registry().Find(request.task()).status());
  ZCB_RETURN_IF_ERROR(CheckText("source", request.source(), 200));
  if (request.source().find('/') != std::string::npos) return BadField("source", "has a slash");
  if (request.source() == kComputed) return BadField("source", "`computed` stands for what workers have computed");
  ZCB_RETURN_IF_ERROR(CheckText("licence", request.licence(), 200));
  ZCB_RETURN_IF_ERROR(CheckDigest("digest", request.digest()));
  if (request.proxies().empty() || request.proxies_size() > kMaxProxies) {
    return BadField("proxies",
                    absl::StrCat("has ", request.proxies_size(), " entries; 1 to ", kMaxProxies, " are allowed"));
  }
  std::vector<SeriesKey> columns;
  std::set<std::string> names;
  for (const std::string& text : request.proxies()) {
    ZCB_RETURN_IF_ERROR(CheckText("proxies", text, 1000));
    ZCB_ASSIGN_OR_RETURN(const ProxyText proxy, ParseProxyText(text));
    const std::string name = PrintProxyText(proxy);
    if (!names.insert(name).second) return BadField("proxies", absl::StrCat("has ", name, " twice"));
    columns.push_back({.space = space->name, .task = request.task(), .proxy = name, .source = request.source()});
  }
  const int cells = request.architectures_size() * request.proxies_size();
  if (cells == 0) return BadField("architectures", "is empty");
  if (cells > kMaxCells) {
    return BadField("architectures", absl::StrCat("times proxies is ", cells, "; at most ", kMaxCells, " are allowed"));
  }
  if (request.scores_size() != cells || request.outcomes_size() != cells ||
      (request.seconds_size() != cells && !request.seconds().empty())) {
    return BadField("scores", absl::StrCat("scores, outcomes and seconds must have ", cells,
                                           " entries, architectures times proxies; they have ", request.scores_size(),
                                           ", ", request.outcomes_size(), " and ", request.seconds_size()));
  }
  std::vector<std::string> architectures;
  for (int a = 0; a < request.architectures_size(); ++a) {
    absl::StatusOr<std::string> architecture = space->space->Parse(request.architectures(a));
    if (!architecture.ok()) return Annotate(architecture.status(), absl::StrCat("architectures[", a, "]"));
    architectures.push_back(*std::move(architecture));
  }
  std::vector<NewScore> scores;
  for (int i = 0; i < cells; ++i) {
    const v1::ScoreOutcome outcome = request.outcomes(i);
    if (outcome == v1::SCORE_OUTCOME_UNSPECIFIED) continue;
    if (!v1::ScoreOutcome_IsValid(outcome)) return BadField(absl::StrCat("outcomes[", i, "]"), "is no outcome");
    if (outcome == v1::SCORE_OUTCOME_OK && !std::isfinite(request.scores(i))) {
      return BadField(absl::StrCat("scores[", i, "]"), "is not finite");
    }
    const double seconds = request.seconds().empty() ? 0 : request.seconds(i);
    if (!std::isfinite(seconds) || seconds < 0) {
      return BadField(absl::StrCat("seconds[", i, "]"), "is no finite number of zero or more");
    }
    scores.push_back({.series = static_cast<uint32_t>(i % request.proxies_size()),
                      .architecture = architectures[static_cast<size_t>(i / request.proxies_size())],
                      .outcome = static_cast<Outcome>(outcome),
                      .value = outcome == v1::SCORE_OUTCOME_OK ? request.scores(i) : 0,
                      .seconds = seconds});
  }
  const SourceFile file{.source = request.source(), .licence = request.licence(), .digest = request.digest()};
  ImportCounts counts;
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(counts, writer.ImportScores(columns, scores, file, clock_.Now()));
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(written);
  v1::ImportScoresResponse response;
  response.set_added(counts.added);
  response.set_unchanged(counts.unchanged);
  return response;
}

absl::StatusOr<v1::ListSourcesResponse> PublicationService::DoListSources() {
  std::vector<ImportedFile> files;
  const absl::Status read = store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(files, reader.ListImportedFiles());
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(read);
  v1::ListSourcesResponse response;
  for (const ImportedFile& file : files) {
    v1::SourceInfo& info = *response.add_sources();
    info.set_source(file.file.source);
    info.set_licence(file.file.licence);
    info.set_digest(file.file.digest);
    info.set_space(file.space);
    info.set_task(file.task);
    info.set_metric(file.metric);
    *info.mutable_imported() = ToProto(file.imported);
  }
  return response;
}

grpc::ServerUnaryReactor* PublicationService::ListSources(grpc::CallbackServerContext* context,
                                                          const v1::ListSourcesRequest*,
                                                          v1::ListSourcesResponse* response) {
  return Handle(executor_, context, "ListSources", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, DoListSources());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* PublicationService::ImportScores(grpc::CallbackServerContext* context,
                                                           const v1::ImportScoresRequest* request,
                                                           v1::ImportScoresResponse* response) {
  return Handle(executor_, context, "ImportScores", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, DoImportScores(*request));
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::StreamAccuraciesResponse>* PublicationService::StreamAccuracies(
    grpc::CallbackServerContext* context, const v1::StreamAccuraciesRequest* request) {
  return new Stream<v1::StreamAccuraciesResponse, AccuracyStream>(executor_, context, "StreamAccuracies",
                                                                  AccuracyStream(store_, *request));
}

grpc::ServerWriteReactor<v1::ExportStoreResponse>* PublicationService::ExportStore(grpc::CallbackServerContext* context,
                                                                                   const v1::ExportStoreRequest*) {
  return new Stream<v1::ExportStoreResponse, StoreStream>(executor_, context, "ExportStore", StoreStream(store_));
}

}  // namespace zcbench
