#include "config/conditions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "config/names.h"

namespace banyan::config {
namespace {

bool read_regex_path(const Value& value, std::string_view text, PathMatch& result) {
  text.remove_prefix(1);
  if (text.starts_with('*')) return value.error("\"~*\" is not known here; write \"~ (?i)\" for any case");
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (!check_regex(value, text)) return false;
  result = {PathMatch::Kind::regex, std::string(text)};
  return true;
}

std::string host_fault(std::string_view host) {
  std::string_view name = host.starts_with("*.") ? host.substr(2) : host;
  if (host == "*") return "\"*\" is every host: leave the key out";
  if (name.find('*') != std::string_view::npos)
    return "\"*\" stands for the first label only, \"*.example.org\"";
  if (name.starts_with('[') && name.ends_with(']')) return "";
  if (name.find(':') != std::string_view::npos) return "must be without a port";
  const bool good = !name.empty() && name.size() <= 253 && !name.starts_with('.') && !name.ends_with('.') &&
                    name.find("..") == std::string_view::npos &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
                    });
  return good ? "" : "is not the name of a host";
}

std::string method_fault(const std::string& method) {
  if (!is_token(method)) return "is not a method";
  if (method == "CONNECT") return "CONNECT is never forwarded";
  std::string upper = method;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper == method ? "" : fmt::format("methods are case-sensitive; did you mean \"{}\"?", upper);
}

bool read_header_match(const Value& value, HeaderMatch& match) {
  const Node& node = value.node();
  if (node.kind == Node::Kind::boolean) {
    match.kind = node.flag ? HeaderMatch::Kind::present : HeaderMatch::Kind::absent;
    return true;
  }
  const std::string* text = value.string("a string, true (present) or false (absent)");
  if (!text) return false;
  if (!text->starts_with("~ ")) {
    match.kind = HeaderMatch::Kind::equals;
    match.value = *text;
    return true;
  }
  match.kind = HeaderMatch::Kind::regex;
  match.value = text->substr(std::min(text->find_first_not_of(' ', 1), text->size()));
  return check_regex(value, match.value);
}

std::string print_header_match(const HeaderMatch& match) {
  switch (match.kind) {
    case HeaderMatch::Kind::present:
      return "true";
    case HeaderMatch::Kind::absent:
      return "false";
    case HeaderMatch::Kind::equals:
      return quote(match.value);
    case HeaderMatch::Kind::regex:
      return quote("~ " + match.value);
  }
  return "";
}

}  // namespace

std::string path_fault(std::string_view path) {
  if (path.find('*') != std::string_view::npos) {
    return "\"*\" stands at the end only, as \"/x/*\"; for more write \"~ ^/x\"";
  }
  for (char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f)
      return "must be written with %XX for spaces and letters outside of ASCII";
    if (c == '?' || c == '#') return fmt::format("is matched without the query: \"{}\" cannot be in it", c);
  }
  const std::string whole = std::string(path) + "/";
  if (whole.find("/./") != std::string::npos || whole.find("/../") != std::string::npos) {
    return "can never match: \".\" and \"..\" are resolved before";
  }
  return "";
}

Format<PathMatch> path_match() {
  return {"path",
          [](const Value& value, PathMatch& result) {
            const std::string* text = value.string("a path such as \"/x\", \"/x/*\" or \"~ ^/x\"");
            if (!text) return false;
            if (text->starts_with('~')) return read_regex_path(value, *text, result);
            if (!text->starts_with('/')) return value.error("must begin with \"/\" or \"~ \"");
            const bool prefix = text->ends_with("/*");
            const std::string literal = text->substr(0, text->size() - (prefix ? 1 : 0));
            if (std::string fault = path_fault(literal); !fault.empty()) return value.error(fault);
            result = {prefix ? PathMatch::Kind::prefix : PathMatch::Kind::exact, literal};
            return true;
          },
          [](const PathMatch& value) { return quote(value.text()); }};
}

Format<std::string> host() {
  Format<std::string> format = checked<std::string>(text(), host_fault);
  format.type = "host";
  format.read = [read = format.read](const Value& value, std::string& result) {
    if (!read(value, result)) return false;
    result = lower(result);
    return true;
  };
  return format;
}

Format<std::string> method() {
  Format<std::string> format = checked<std::string>(text(), method_fault);
  format.type = "method";
  return format;
}

Format<std::vector<HeaderMatch>> header_matches() {
  return {"table of header fields",
          [](const Value& value, std::vector<HeaderMatch>& result) {
            if (value.node().kind != Node::Kind::table)
              return value.wrong_type("a table such as { X-Beta = \"1\" }");
            std::vector<HeaderMatch> matches;
            bool good = true;
            for (const Entry& entry : value.node().entries) {
              matches.push_back({entry.key, HeaderMatch::Kind::present, ""});
              good &= is_token(entry.key) || value.key(entry).error("is not the name of a header field");
              good &= read_header_match(value.entry(entry), matches.back());
            }
            if (good) result = std::move(matches);
            return good;
          },
          [](const std::vector<HeaderMatch>& matches) {
            std::string text;
            for (const HeaderMatch& match : matches) {
              text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", key_text(match.name),
                                  print_header_match(match));
            }
            return text.empty() ? std::string() : fmt::format("{{ {} }}", text);
          }};
}

}  // namespace banyan::config
