#include "route/rewrite.h"

#include <re2/re2.h>

#include <array>
#include <string>

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

std::string_view redirect_location(const config::Redirect& redirect, std::string_view host,
                                   std::string_view path, std::string_view query, bool has_query,
                                   Arena& arena) {
  std::string text;
  std::string_view to = redirect.to;
  while (!to.empty()) {
    if (starts_with(to, "$path")) {
      text += path;
      to.remove_prefix(5);
    } else if (starts_with(to, "$query")) {
      if (has_query) (text += '?') += query;
      to.remove_prefix(6);
    } else if (starts_with(to, "$host")) {
      text += host;
      to.remove_prefix(5);
    } else {
      text += to.front();
      to.remove_prefix(1);
    }
  }
  return arena.copy(text);
}

}  // namespace banyan::route
