#include "route/rewrite.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "route/conditions.h"

namespace banyan::route {
namespace {

constexpr int kGroups = 10;

std::string_view view(const re2::StringPiece& piece) { return {piece.data(), piece.size()}; }

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

Result<Rewriter> Rewriter::make(const config::Route& rules) {
  Rewriter rewriter;
  if (!rules.rewrite) return rewriter;
  rewriter.rules_ = &*rules.rewrite;
  if (rules.rewrite->kind == config::Rewrite::Kind::prefix) {
    if (rules.path.kind == config::PathMatch::Kind::regex) {
      return proxy_error("rewrite.prefix needs an exact or prefix path");
    }
    rewriter.matched_prefix_ = rules.path.value.size();
    return rewriter;
  }
  auto regex = compile_regex(rules.rewrite->regex);
  if (!regex) return std::move(regex).error();
  rewriter.regex_ = std::move(*regex);

  std::string_view to = rules.rewrite->to;
  size_t literal = 0;
  for (size_t i = 0; i + 1 < to.size(); ++i) {
    if (to[i] != '$') continue;
    char next = to[i + 1];
    if (next == '$') {
      rewriter.parts_.push_back({to.substr(literal, i + 1 - literal)});
    } else if (next >= '0' && next <= '9') {
      int group = next - '0';
      if (group > rewriter.regex_->NumberOfCapturingGroups()) {
        return proxy_error(std::string("rewrite.to: the expression has no group $") + next);
      }
      rewriter.parts_.push_back({to.substr(literal, i - literal)});
      rewriter.parts_.push_back({{}, group});
    } else {
      continue;
    }
    literal = i + 2;
    ++i;
  }
  rewriter.parts_.push_back({to.substr(literal)});
  return rewriter;
}

std::string_view Rewriter::rewrite(std::string_view path, Arena& arena) const {
  if (!rules_) return path;
  if (rules_->kind == config::Rewrite::Kind::prefix) {
    std::string_view rest = path.substr(std::min(matched_prefix_, path.size()));
    std::string_view to = rules_->to;
    // "/old/*" to "/new": the slash between the two stands once.
    bool slash = !rest.empty() && !starts_with(rest, "/") && (to.empty() || to.back() != '/');
    std::string_view joined = arena.concat({to, slash ? "/" : "", rest});
    return joined.empty() ? "/" : joined;
  }
  std::array<re2::StringPiece, kGroups> groups;
  re2::StringPiece subject(path.data(), path.size());
  if (!regex_->Match(subject, 0, path.size(), re2::RE2::UNANCHORED, groups.data(), kGroups)) return path;
  std::string text(path.substr(0, static_cast<size_t>(groups[0].data() - path.data())));
  for (const Part& part : parts_) text += part.group < 0 ? part.text : view(groups[part.group]);
  text += path.substr(static_cast<size_t>(groups[0].data() + groups[0].size() - path.data()));
  if (!starts_with(text, "/")) text.insert(text.begin(), '/');
  return arena.copy(text);
}

std::string_view redirect_location(const config::Redirect& redirect, const RedirectFacts& facts,
                                   Arena& arena) {
  std::string query = facts.has_query ? "?" + std::string(facts.query) : std::string();
  std::string request_uri = std::string(facts.path) + query;
  const std::pair<std::string_view, std::string_view> variables[] = {
      {"$scheme", facts.scheme}, {"$host", facts.host},         {"$path", facts.path},
      {"$query", query},         {"$request_uri", request_uri},
  };
  std::string text;
  std::string_view to = redirect.to;
  while (!to.empty()) {
    auto known = std::find_if(std::begin(variables), std::end(variables),
                              [&](const auto& variable) { return starts_with(to, variable.first); });
    if (known != std::end(variables)) {
      text += known->second;
      to.remove_prefix(known->first.size());
    } else {
      text += to.front();
      to.remove_prefix(1);
    }
  }
  size_t slashes = std::min(text.find_first_not_of('/'), text.size());
  if (slashes > 1) text.erase(1, slashes - 1);
  return arena.copy(text);
}

}  // namespace banyan::route
