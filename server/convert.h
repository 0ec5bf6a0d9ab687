// Between the wire's messages and the store's values. The functions that read a message check it: INVALID_ARGUMENT
// names the field.
#ifndef ZCBENCH_SERVER_CONVERT_H_
#define ZCBENCH_SERVER_CONVERT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "db/store.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "nas/task.h"
#include "zcbench/v1/common.pb.h"
#include "zcbench/v1/job.pb.h"
#include "zcbench/v1/query.pb.h"
#include "zcbench/v1/worker.pb.h"

namespace zcbench {

// "FIELD: what is wrong".
absl::Status BadField(std::string_view field, std::string_view what);
// Not longer than `max` bytes, no control characters; not empty unless `may_be_empty`.
absl::Status CheckText(std::string_view field, std::string_view text, size_t max, bool may_be_empty = false);
absl::Status CheckSeed(std::string_view field, uint64_t seed);  // below 2^63
absl::Status CheckDigest(std::string_view field, std::string_view digest);

// [A-Za-z0-9_.:-]{1,64}: what a worker or a call may be called.
bool IsPlainName(std::string_view text);
// `parts` numbers with dots between them: "3.1.2" has 3. A part may be several numbers, those of a proxy's passes:
// "3.1+2.2".
bool IsVersion(std::string_view text, int parts);
// On one line and not longer than `max` bytes.
std::string OneLine(std::string text, size_t max);

google::protobuf::Timestamp ToProto(absl::Time time);
google::protobuf::Duration ToProto(absl::Duration duration);
absl::StatusOr<absl::Duration> FromProto(std::string_view field, const google::protobuf::Duration& duration);
absl::StatusOr<absl::Time> FromProto(std::string_view field, const google::protobuf::Timestamp& time);

v1::TaskKind ToProto(TaskKind kind);
absl::StatusOr<KnownProxy> FromProto(const v1::ProxyInfo& info);
v1::ProxyInfo ToProto(const KnownProxy& proxy);
absl::StatusOr<Execution> FromProto(const v1::Execution& execution);
v1::Execution ToProto(const Execution& execution);
v1::ProbeBatchInfo ToProto(const ProbeBatchRow& row);
v1::Series ToProto(const SeriesInfo& series);

// A page token is the last key of the page before. INVALID_ARGUMENT: not one of ours.
absl::StatusOr<int64_t> ParsePageToken(const std::string& token);
// 0 = 100; at most 1,000.
int PageSize(uint32_t requested);

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_CONVERT_H_
