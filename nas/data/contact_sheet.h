// A picture of a probe batch, for a person.
#ifndef ZCBENCH_NAS_DATA_CONTACT_SHEET_H_
#define ZCBENCH_NAS_DATA_CONTACT_SHEET_H_

#include <string>

#include "absl/status/statusor.h"
#include "nas/data/probe_batch.h"

namespace zcbench {

// PNG of the images in their order, row by row, about as many columns as rows, with white gaps of one pixel between
// them; 16 images of 224 x 224 are 899 x 899 pixels. An image of several tiles is a row. INTERNAL: libpng failed.
absl::StatusOr<std::string> EncodeContactSheet(const ProbeBatch& batch);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_CONTACT_SHEET_H_
