// A report as one HTML file that needs no other: tables, pictures and style are in it, no script is. Readable on light
// and on dark ground, and on paper.
#ifndef ZCBENCH_CLIENT_CLI_REPORT_PAGE_H_
#define ZCBENCH_CLIENT_CLI_REPORT_PAGE_H_

#include <string>

#include "client/cli/report_data.h"

namespace zcbench {

// What `data` lacks is left out, with a line that says which command would compute it. Every text of `data` is shown as
// it is and never read as markup.
std::string WriteReport(const ReportData& data);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_REPORT_PAGE_H_
