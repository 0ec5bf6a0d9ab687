#include "server/query_service.h"

#include <cmath>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/space.h"
#include "nas/task.h"
#include "server/columns.h"
#include "server/convert.h"
#include "server/handle.h"
#include "server/layer_profile.h"
#include "server/libra.h"

namespace zcbench {
namespace {
constexpr int kMaxRows = 10'000;
}  // namespace

grpc::ServerWriteReactor<v1::StreamScoresResponse>* QueryService::StreamScores(grpc::CallbackServerContext* context,
                                                                               const v1::StreamScoresRequest* request) {
  return new Stream<v1::StreamScoresResponse, ScoreStream>(executor_, context, "StreamScores",
                                                           ScoreStream(store_, scheduler_, request->filter()));
}

absl::StatusOr<v1::ListSeriesResponse> QueryService::DoListSeries(const v1::ListSeriesRequest& request) {
  ZCB_ASSIGN_OR_RETURN(const int64_t after, ParsePageToken(request.page_token()));
  ZCB_ASSIGN_OR_RETURN(const SeriesFilter filter, CheckFilter(store_, scheduler_, request.filter()));
  const int size = PageSize(request.page_size());
  std::vector<SeriesInfo> series;
  const absl::Status read = store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(series, reader.ListSeries(filter, SeriesId{after}, size + 1));
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(read);
  v1::ListSeriesResponse response;
  for (const SeriesInfo& info : series) {
    if (response.series_size() == size) {
      response.set_next_page_token(absl::StrCat(response.series(size - 1).id()));
      break;
    }
    *response.add_series() = ToProto(info);
  }
  return response;
}

absl::StatusOr<v1::ImportAccuraciesResponse> QueryService::DoImportAccuracies(
    const v1::ImportAccuraciesRequest& request) {
  ZCB_RETURN_IF_ERROR(CheckText("space", request.space(), 64));
  ZCB_RETURN_IF_ERROR(CheckText("task", request.task(), 64));
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* space, FindSpace(request.space()));
  ZCB_RETURN_IF_ERROR(task_registry().Find(request.task()).status());
  for (const auto& [field, text] : {std::pair{"metric", &request.metric()}, {"source", &request.source()}}) {
    ZCB_RETURN_IF_ERROR(CheckText(field, *text, 200));
    if (text->find('/') != std::string::npos) return BadField(field, "has a slash");
  }
  ZCB_RETURN_IF_ERROR(CheckText("licence", request.licence(), 200));
  ZCB_RETURN_IF_ERROR(CheckDigest("digest", request.digest()));
  if (request.rows().empty()) return BadField("rows", "is empty");
  if (request.rows_size() > kMaxRows) {
    return BadField("rows", absl::StrCat("has ", request.rows_size(), " entries; at most ", kMaxRows, " are allowed"));
  }
  std::vector<NewAccuracy> rows;
  std::unordered_map<std::string, double> seen;
  for (int i = 0; i < request.rows_size(); ++i) {
    const v1::AccuracyRow& row = request.rows(i);
    ZCB_RETURN_IF_ERROR(CheckText(absl::StrCat("rows[", i, "].architecture"), row.architecture(), 1000));
    absl::StatusOr<std::string> architecture = space->space->Parse(row.architecture());
    if (!architecture.ok()) return Annotate(architecture.status(), absl::StrCat("rows[", i, "]"));
    if (!std::isfinite(row.accuracy())) return BadField(absl::StrCat("rows[", i, "].accuracy"), "is not finite");
    const auto [earlier, added] = seen.try_emplace(*architecture, row.accuracy());
    if (!added && earlier->second != row.accuracy()) {
      return BadField(absl::StrCat("rows[", i, "]"), absl::StrCat(*architecture, " has ", row.accuracy(), " here and ",
                                                                  earlier->second, " in an earlier row"));
    }
    rows.push_back({.architecture = *std::move(architecture), .value = row.accuracy()});
  }
  const AccuracyKey key{
      .space = space->name, .task = request.task(), .metric = request.metric(), .source = request.source()};
  ImportCounts counts;
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(counts, writer.AddAccuracies(key, request.licence(), request.digest(), rows, clock_.Now()));
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(written);
  v1::ImportAccuraciesResponse response;
  response.set_added(counts.added);
  response.set_unchanged(counts.unchanged);
  return response;
}

absl::StatusOr<v1::DescribeResponse> QueryService::DoDescribe() {
  v1::DescribeResponse response;
  for (const SpaceDefinition& space : space_registry().All()) {
    v1::SpaceSummary& summary = *response.add_spaces();
    summary.set_name(space.name);
    summary.set_summary(std::string(space.space->summary()));
    summary.set_version(absl::StrCat(space.space->version()));
    summary.set_size(space.space->size());
  }
  for (const Task& task : task_registry().All()) {
    v1::TaskInfo& info = *response.add_tasks();
    info.set_name(task.name);
    info.set_summary(task.summary);
    info.set_classes(static_cast<uint32_t>(task.classes));
    info.set_probe_images(static_cast<uint32_t>(task.probe_images));
  }
  const absl::Status read = store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<KnownProxy> proxies, reader.GetProxies());
    for (const KnownProxy& proxy : proxies) *response.add_proxies() = ToProto(proxy);
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(read);
  response.set_store(store_.location());
  response.set_zcbench_version(version_);
  return response;
}

grpc::ServerUnaryReactor* QueryService::ListSeries(grpc::CallbackServerContext* context,
                                                   const v1::ListSeriesRequest* request,
                                                   v1::ListSeriesResponse* response) {
  return Handle(executor_, context, "ListSeries", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, DoListSeries(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* QueryService::Correlate(grpc::CallbackServerContext* context,
                                                  const v1::CorrelateRequest* request,
                                                  v1::CorrelateResponse* response) {
  return Handle(executor_, context, "Correlate", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, zcbench::Correlate(store_, scheduler_, *request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* QueryService::CorrelateTasks(grpc::CallbackServerContext* context,
                                                       const v1::CorrelateTasksRequest* request,
                                                       v1::CorrelateTasksResponse* response) {
  return Handle(executor_, context, "CorrelateTasks", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, zcbench::CorrelateTasks(store_, scheduler_, *request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* QueryService::FitLibra(grpc::CallbackServerContext* context,
                                                 const v1::FitLibraRequest* request, v1::FitLibraResponse* response) {
  return Handle(executor_, context, "FitLibra", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, zcbench::FitLibra(store_, scheduler_, clock_, *request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* QueryService::ListCombinations(grpc::CallbackServerContext* context,
                                                         const v1::ListCombinationsRequest* request,
                                                         v1::ListCombinationsResponse* response) {
  return Handle(executor_, context, "ListCombinations", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, zcbench::ListCombinations(store_, *request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* QueryService::ProfileLayers(grpc::CallbackServerContext* context,
                                                      const v1::ProfileLayersRequest* request,
                                                      v1::ProfileLayersResponse* response) {
  return Handle(executor_, context, "ProfileLayers", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, zcbench::ProfileLayers(store_, scheduler_, *request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* QueryService::ImportAccuracies(grpc::CallbackServerContext* context,
                                                         const v1::ImportAccuraciesRequest* request,
                                                         v1::ImportAccuraciesResponse* response) {
  return Handle(executor_, context, "ImportAccuracies", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, DoImportAccuracies(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* QueryService::Describe(grpc::CallbackServerContext* context, const v1::DescribeRequest*,
                                                 v1::DescribeResponse* response) {
  return Handle(executor_, context, "Describe", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, DoDescribe());
    return absl::OkStatus();
  });
}

}  // namespace zcbench
