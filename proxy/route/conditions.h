// What must hold of a request besides host and path: methods, header fields, and for regular-expression
// routes the path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/schema.h"
#include "http/head.h"

namespace re2 {
class RE2;
}

namespace banyan::route {

// RE2 with our settings; the error names what is wrong with the pattern.
Result<std::shared_ptr<const re2::RE2>> compile_regex(const std::string& pattern);
// Whether the pattern is found in the text (unanchored, as nginx and HAProxy search).
bool regex_found(const re2::RE2& regex, std::string_view text);

class Conditions {
 public:
  // The rules must outlive the result.
  static Result<Conditions> make(const config::Route& rules);

  // For PathMatch::Kind::regex; true for the others, which the router finds by look-up.
  bool path_matches(std::string_view path) const;
  bool method_matches(const http::RequestHead& head) const;
  bool fields_match(const http::RequestHead& head) const;

 private:
  struct FieldTest {
    const config::HeaderMatch* match;
    std::shared_ptr<const re2::RE2> regex;
  };

  std::shared_ptr<const re2::RE2> path_;
  const std::vector<std::string>* methods_ = nullptr;
  std::vector<FieldTest> fields_;
};

}  // namespace banyan::route
