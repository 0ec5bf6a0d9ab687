// How the gradients of a space's networks spread over their depth, and the window of layers in which L-SWAG looks.
#ifndef ZCBENCH_SERVER_LAYER_PROFILE_H_
#define ZCBENCH_SERVER_LAYER_PROFILE_H_

#include "absl/status/statusor.h"
#include "db/store.h"
#include "server/scheduler.h"
#include "zcbench/v1/query.pb.h"

namespace zcbench {

// As ProfileLayersRequest says.
absl::StatusOr<v1::ProfileLayersResponse> ProfileLayers(Store& store, Scheduler& scheduler,
                                                        const v1::ProfileLayersRequest& request);

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_LAYER_PROFILE_H_
