#include "client/cli/html_page.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/svg_plot.h"

namespace zcbench {
namespace {

constexpr char kStyle[] = R"css(:root {
  color-scheme: light dark;
  --font: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif;
  --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --band: #f6f8fa;
  --blue: #2c6ca3; --orange: #b8660a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1117; --ink: #e6edf3; --soft: #9aa5b1; --line: #353c45; --band: #161b22;
    --blue: #72afe2; --orange: #eaa04a;
  }
}
body { margin: 0 auto; padding: 24px 32px 64px; max-width: 1180px; background: var(--ground); color: var(--ink);
       font: 15px/1.5 var(--font) }
h1 { font-size: 26px; margin: 0 0 4px }
h2 { font-size: 20px; margin: 44px 0 12px; padding-bottom: 4px; border-bottom: 1px solid var(--line) }
h3 { font-size: 16px; margin: 28px 0 8px }
p { max-width: 90ch; margin: 8px 0 }
.subtitle, figcaption, caption, .left-out { color: var(--soft) }
nav ol { columns: 2; max-width: 960px; padding-left: 24px; margin: 16px 0 0 }
a { color: var(--blue) }
figure { margin: 16px 0 28px; break-inside: avoid }
figcaption, caption { font-size: 13px; line-height: 1.45; max-width: 110ch }
figcaption b, caption b { color: var(--ink) }
.row { display: flex; flex-wrap: wrap; gap: 16px 24px; align-items: flex-start; margin-bottom: 8px }
.row > svg { flex: 0 1 auto; min-width: 0 }
.row > svg:not(.chart) { flex: 1 1 480px; max-width: 560px }
.scroll { overflow-x: auto; margin: 16px 0 28px }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
caption { text-align: left; padding-bottom: 6px }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top;
         overflow-wrap: anywhere }
th { font-weight: 600; border-bottom-color: var(--soft); overflow-wrap: normal }
.n { text-align: right; white-space: nowrap }
.left-out { font-size: 14px }
code, pre { font: 13px/1.5 ui-monospace, 'DejaVu Sans Mono', monospace; background: var(--band); border-radius: 4px }
code { padding: 1px 5px; overflow-wrap: anywhere }
pre { padding: 10px 12px; white-space: pre-wrap; overflow-wrap: anywhere }
@media print {
  body { max-width: none; padding: 0; font-size: 12px; print-color-adjust: exact; -webkit-print-color-adjust: exact }
  nav { display: none }
  .scroll { overflow: visible }
  table { font-size: 9.5px }
  th, td { padding-right: 8px }
  .n { white-space: normal }
  h2, h3 { break-after: avoid }
  tr { break-inside: avoid }
}
)css";

}  // namespace

HtmlPage::HtmlPage(const std::string& title, const std::string& subtitle) : title_(title), subtitle_(subtitle) {}

void HtmlPage::Section(const std::string& title) {
  sections_.push_back(title);
  const size_t number = sections_.size();
  absl::StrAppend(&body_, "<h2 id=\"s", number, "\">", number, ". ", EscapedXml(title), "</h2>\n");
}

void HtmlPage::Heading(const std::string& title) { absl::StrAppend(&body_, "<h3>", EscapedXml(title), "</h3>\n"); }

void HtmlPage::Paragraph(const std::string& text) { absl::StrAppend(&body_, "<p>", EscapedXml(text), "</p>\n"); }

void HtmlPage::LeftOut(const std::string& why, const std::string& command, const std::string& note) {
  absl::StrAppend(&body_, "<p class=\"left-out\">Left out: ", EscapedXml(why));
  if (!command.empty()) absl::StrAppend(&body_, "; <code>", EscapedXml(command), "</code>");
  absl::StrAppend(&body_, note.empty() ? "" : " ", EscapedXml(note), "</p>\n");
}

void HtmlPage::Figure(const std::vector<std::string>& svgs, const std::string& caption) {
  absl::StrAppend(&body_, "<figure id=\"figure", ++figures_, "\">\n<div class=\"row\">\n");
  for (const std::string& svg : svgs) body_ += svg;
  absl::StrAppend(&body_, "</div>\n<figcaption><b>Figure ", figures_, ".</b> ", EscapedXml(caption),
                  "</figcaption>\n</figure>\n");
}

void HtmlPage::Table(const std::vector<std::string>& columns, const std::vector<std::vector<HtmlCell>>& rows,
                     const std::string& caption) {
  absl::StrAppend(&body_, "<div class=\"scroll\"><table>\n<caption><b>Table ", ++tables_, ".</b> ", EscapedXml(caption),
                  "</caption>\n<thead><tr>");
  const auto number = [&](size_t c) { return !rows.empty() && c < rows[0].size() && rows[0][c].number; };
  for (size_t c = 0; c < columns.size(); ++c) {
    absl::StrAppend(&body_, "<th", number(c) ? " class=\"n\"" : "", ">", EscapedXml(columns[c]), "</th>");
  }
  body_ += "</tr></thead>\n<tbody>\n";
  for (const std::vector<HtmlCell>& row : rows) {
    body_ += "<tr>";
    for (size_t c = 0; c < row.size(); ++c) {
      absl::StrAppend(&body_, "<td", number(c) ? " class=\"n\"" : "");
      if (!row[c].hover.empty()) absl::StrAppend(&body_, " title=\"", EscapedXml(row[c].hover), "\"");
      absl::StrAppend(&body_, ">", EscapedXml(row[c].text), "</td>");
    }
    body_ += "</tr>\n";
  }
  body_ += "</tbody></table></div>\n";
}

void HtmlPage::Code(const std::string& text) { absl::StrAppend(&body_, "<pre>", EscapedXml(text), "</pre>\n"); }

std::string HtmlPage::Finish(const std::string& style) const {
  std::string page = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      EscapedXml(title_), "</title>\n<style>\n", kStyle, style, "</style>\n</head>\n<body>\n<header>\n<h1>",
      EscapedXml(title_), "</h1>\n<p class=\"subtitle\">", EscapedXml(subtitle_), "</p>\n<nav><ol>\n");
  for (size_t i = 0; i < sections_.size(); ++i) {
    absl::StrAppend(&page, "<li><a href=\"#s", i + 1, "\">", EscapedXml(sections_[i]), "</a></li>\n");
  }
  absl::StrAppend(&page, "</ol></nav>\n</header>\n<main>\n", body_, "</main>\n</body>\n</html>\n");
  return page;
}

}  // namespace zcbench
