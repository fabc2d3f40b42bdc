#include "route/conditions.h"

#include <re2/re2.h>

#include <algorithm>

namespace banyan::route {

Result<std::shared_ptr<const re2::RE2>> compile_regex(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto regex = std::make_shared<const re2::RE2>(pattern, options);
  if (!regex->ok()) return proxy_error("regular expression " + pattern + ": " + regex->error());
  return std::shared_ptr<const re2::RE2>(std::move(regex));
}

bool regex_found(const re2::RE2& regex, std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex);
}

Result<Conditions> Conditions::make(const config::Route& rules) {
  Conditions conditions;
  conditions.methods_ = &rules.methods;
  if (rules.path.kind == config::PathMatch::Kind::regex) {
    auto regex = compile_regex(rules.path.value);
    if (!regex) return std::move(regex).error();
    conditions.path_ = std::move(*regex);
  }
  for (const config::HeaderMatch& match : rules.headers) {
    FieldTest test{&match, nullptr};
    if (match.kind == config::HeaderMatch::Kind::regex) {
      auto regex = compile_regex(match.value);
      if (!regex) return std::move(regex).error();
      test.regex = std::move(*regex);
    }
    conditions.fields_.push_back(std::move(test));
  }
  return conditions;
}

bool Conditions::path_matches(std::string_view path) const { return !path_ || regex_found(*path_, path); }

bool Conditions::method_matches(const http::RequestHead& head) const {
  return methods_->empty() ||
         std::find(methods_->begin(), methods_->end(), head.method_text) != methods_->end();
}

bool Conditions::fields_match(const http::RequestHead& head) const {
  for (const FieldTest& test : fields_) {
    const http::Field* field = head.fields.find(test.match->name);
    switch (test.match->kind) {
      case config::HeaderMatch::Kind::present:
        if (!field) return false;
        break;
      case config::HeaderMatch::Kind::absent:
        if (field) return false;
        break;
      case config::HeaderMatch::Kind::equals:
        if (!field || field->value != test.match->value) return false;
        break;
      case config::HeaderMatch::Kind::regex:
        if (!field || !regex_found(*test.regex, field->value)) return false;
        break;
    }
  }
  return true;
}

}  // namespace banyan::route
