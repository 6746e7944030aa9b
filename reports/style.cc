#include "reports/style.h"

#include "reports/style_sheet.h"
#include "reports/text.h"

namespace shmark::reports {

std::string html_document(std::string_view title, std::string_view body) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>";
  out += escape_html(title);
  out += "</title>\n<style>\n";
  out += embedded::style_sheet;
  out += "</style>\n</head>\n<body>\n";
  out += body;
  return out += "</body>\n</html>\n";
}

}  // namespace shmark::reports
