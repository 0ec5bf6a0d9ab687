// The frame of a report: sections, figures and tables with their numbers and captions, as HTML.
#ifndef ZCBENCH_CLIENT_CLI_HTML_PAGE_H_
#define ZCBENCH_CLIENT_CLI_HTML_PAGE_H_

#include <string>
#include <vector>

namespace zcbench {

// A cell of a table. `text` is plain; a number is aligned right.
struct HtmlCell {
  std::string text{};
  bool number = false;
  std::string hover{};  // shown under the pointer
};

// Texts are plain unless their name says `svg`.
class HtmlPage {
 public:
  HtmlPage(const std::string& title, const std::string& subtitle);

  void Section(const std::string& title);
  void Heading(const std::string& title);  // below a section
  void Paragraph(const std::string& text);
  // Why something is not there, and the command that would compute it; empty: there is none.
  void LeftOut(const std::string& why, const std::string& command, const std::string& note = "");
  // "Figure 3. CAPTION" below one or several pictures side by side.
  void Figure(const std::vector<std::string>& svgs, const std::string& caption);
  // "Table 2. CAPTION" above it. Columns are aligned as the first row's cells.
  void Table(const std::vector<std::string>& columns, const std::vector<std::vector<HtmlCell>>& rows,
             const std::string& caption);
  // A block as it stands: a command line.
  void Code(const std::string& text);

  // The whole page, with a list of its sections; `style` is CSS of what was added.
  std::string Finish(const std::string& style) const;

 private:
  std::string title_;
  std::string subtitle_;
  std::vector<std::string> sections_;
  int figures_ = 0;
  int tables_ = 0;
  std::string body_;
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_HTML_PAGE_H_
