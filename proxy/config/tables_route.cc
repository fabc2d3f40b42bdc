// [[route]].

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/conditions.h"
#include "config/formats.h"
#include "config/names.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

constexpr int64_t kMany = 1'000'000'000;

// ---------------------------------------------------------------- rewrite

// The keys of `rewrite`, before it is known which of the two kinds it is.
struct RewriteKeys {
  std::optional<std::string> prefix;
  std::optional<std::string> regex;
  std::optional<std::string> to;
  bool operator==(const RewriteKeys&) const = default;
};

Format<std::string> slash_path() {
  return checked<std::string>(text(), [](const std::string& value) {
    if (!value.starts_with('/')) return std::string("must begin with /");
    return path_fault(value);
  });
}

// The text that replaces a match: "$1" to "$9", "$$" for a dollar.
std::string replacement_fault(const std::string& to) {
  for (size_t i = 0; i < to.size(); ++i) {
    if (!is_field_value(to.substr(i, 1)) || to[i] == ' ')
      return "must not contain spaces or control characters";
    if (to[i] != '$') continue;
    const char next = i + 1 < to.size() ? to[i + 1] : ' ';
    if ((next < '1' || next > '9') && next != '$')
      return "\"$\" must be followed by 1 to 9, or by $ for itself";
    ++i;
  }
  return "";
}

const Section<RewriteKeys>& rewrite_section() {
  static const Section<RewriteKeys> section(
      "rewrite", "Changes the path before it goes to the target; the query stays.",
      {field("prefix", &RewriteKeys::prefix, optional(slash_path()),
             "Stands for the part that the route's path matched: with path = \"/a/*\" and prefix = \"/b\", "
             "\"/a/x\" becomes \"/b/x\"."),
       field("regex", &RewriteKeys::regex, optional(regex()),
             "The part of the path that is replaced, with to."),
       field("to", &RewriteKeys::to, optional(checked<std::string>(text(), replacement_fault)),
             "What stands for it, with \"$1\" to \"$9\" for groups and \"$$\" for a dollar.")},
      [](RewriteKeys&, const Value& value) {
        if (value.has("prefix") && (value.has("regex") || value.has("to"))) {
          value.at("prefix").error("cannot be joined with regex and to");
        } else if (value.has("regex") && !value.has("to")) {
          value.at("to").error("is missing: regex needs it");
        } else if (value.has("to") && !value.has("regex")) {
          value.at("regex").error("is missing: to needs it");
        } else if (!value.has("prefix") && !value.has("regex")) {
          value.error("must have prefix, or regex and to");
        }
      });
  return section;
}

Format<std::optional<Rewrite>> rewrite() {
  Format<std::optional<Rewrite>> format;
  format.type = "table";
  format.section = &rewrite_section();
  format.read = [](const Value& value, std::optional<Rewrite>& result) {
    RewriteKeys keys;
    if (!rewrite_section().read(value, &keys)) return false;
    if (keys.prefix) {
      result = Rewrite{Rewrite::Kind::prefix, "", *keys.prefix};
    } else if (keys.regex && keys.to) {
      result = Rewrite{Rewrite::Kind::regex, *keys.regex, *keys.to};
    }
    return true;
  };
  format.print = [](const std::optional<Rewrite>& value) {
    if (!value) return std::string();
    RewriteKeys keys;
    if (value->kind == Rewrite::Kind::prefix) {
      keys.prefix = value->to;
    } else {
      keys.regex = value->regex;
      keys.to = value->to;
    }
    return rewrite_section().print_inline(&keys);
  };
  return format;
}

// ---------------------------------------------------------------- header rules, fixed answers, limits

void check_header_rules(const Value& value) {
  constexpr std::string_view kRefusal = "is set by Banyan itself and cannot be changed";
  for (std::string_view key : {"set", "add"}) {
    const Value table = value.at(key);
    if (!value.has(key) || table.node().kind != Node::Kind::table) continue;
    for (const Entry& entry : table.node().entries) {
      if (is_framing_field(entry.key)) table.key(entry).error(std::string(kRefusal));
    }
  }
  const Value remove = value.at("remove");
  if (!value.has("remove")) return;
  for (size_t i = 0; i < remove.node().items.size(); ++i) {
    if (is_framing_field(remove.node().items[i].string)) remove.item(i).error(std::string(kRefusal));
  }
}

const Section<HeaderRules>& header_rules_section() {
  static const Section<HeaderRules> section(
      "headers", "Rules are applied in the order remove, set, add.",
      {field("set", &HeaderRules::set, header_fields(), "Fields that replace those of the same name."),
       field("add", &HeaderRules::add, header_fields(), "Fields that come after those of the same name."),
       field("remove", &HeaderRules::remove, list(header_name(), true),
             "Names of fields that are taken out.")},
      [](HeaderRules&, const Value& value) { check_header_rules(value); });
  return section;
}

std::string redirect_fault(const std::string& to) {
  if (!is_field_value(to) || to.find(' ') != std::string::npos)
    return "must not contain spaces or control characters";
  if (!to.starts_with('/') && !to.starts_with("http://") && !to.starts_with("https://") &&
      !to.starts_with("$scheme://") && !to.starts_with("$request_uri") && !to.starts_with("$path")) {
    return "must begin with /, http:// or https://";
  }
  for (size_t at = to.find('$'); at != std::string::npos; at = to.find('$', at + 1)) {
    const std::string_view rest = std::string_view(to).substr(at + 1);
    if (!rest.starts_with("host") && !rest.starts_with("scheme") && !rest.starts_with("request_uri") &&
        !rest.starts_with("path") && !rest.starts_with("query")) {
      return "\"$\" must be followed by scheme, host, path, query or request_uri";
    }
  }
  return "";
}

std::string redirect_status_fault(uint32_t status) {
  static constexpr uint32_t kKnown[] = {301, 302, 303, 307, 308};
  const bool known = std::find(std::begin(kKnown), std::end(kKnown), status) != std::end(kKnown);
  return known ? "" : "must be 301, 302, 303, 307 or 308";
}

const Section<Redirect>& redirect_section() {
  static const Section<Redirect> section(
      "redirect", "Answers with another place.",
      {field("to", &Redirect::to, checked<std::string>(text(), redirect_fault),
             "The place, a path or URL. $scheme, $host, $path, $query (with its \"?\") and $request_uri "
             "(path and query) "
             "stand for those of the request: \"https://$host$request_uri\".")
           .required(),
       field("status", &Redirect::status, checked<uint32_t>(integer<uint32_t>(0, 999), redirect_status_fault),
             "301 and 308 are kept by clients; 307 and 308 keep the method.")});
  return section;
}

const Section<Reply>& reply_section() {
  static const Section<Reply> section(
      "reply", "Answers at once.",
      {field("status", &Reply::status, integer<uint32_t>(200, 599), "The status."),
       field("body", &Reply::body, text(),
             "The body. Its Content-Type is text/plain unless response_headers sets it.")},
      [](Reply& reply, const Value& value) {
        if ((reply.status == 204 || reply.status == 304) && !reply.body.empty()) {
          value.at("body").error(fmt::format("must be empty with status {}", reply.status));
        }
      });
  return section;
}

Format<LimitKey> limit_key() {
  return {"what is counted",
          [read = client_key().read](const Value& value, LimitKey& key) {
            const Node& node = value.node();
            if (node.kind == Node::Kind::string && node.string == "route") {
              return key = {LimitKey::Kind::route, {}}, true;
            }
            if (node.kind == Node::Kind::string && node.string == "lua") {
              return key = {LimitKey::Kind::script, {}}, true;
            }
            key.kind = LimitKey::Kind::client;
            return read(value, key.client);
          },
          [](const LimitKey& key) {
            if (key.kind == LimitKey::Kind::route) return quote("route");
            return quote(key.kind == LimitKey::Kind::script ? "lua" : key.client.text());
          }};
}

const Section<Limit>& limit_section() {
  static const Section<Limit> section(
      "limit", "Limits requests, each key by itself. Answered by 429, with Retry-After.",
      {field("rate", &Limit::rate, rate(), "\"100/s\", \"600/m\" or \"5000/h\"."),
       field("burst", &Limit::burst, integer<uint32_t>(0, kMany),
             "Requests above the rate that pass at once."),
       field(
           "key", &Limit::key, limit_key(),
           "What is counted by itself: \"client_ip\", \"header:NAME\" or \"cookie:NAME\"; \"route\" for all "
           "requests of the route together; \"lua\" for the key that the script returned. Where there is no "
           "such header, cookie or key, it is the client's address."),
       field("concurrency", &Limit::concurrency, integer<uint32_t>(0, kMany),
             "Most requests under way at the same time; 0 for no limit."),
       field("dry_run", &Limit::dry_run, flag(),
             "Lets all through and counts what would have been refused, in "
             "banyan_http_limit_dry_run_total.")},
      [](Limit&, const Value& value) {
        if (!value.has("rate") && !value.has("concurrency")) value.error("must have rate or concurrency");
        const Entry* burst = value.node().find("burst");
        if (burst && burst->value.integer != 0 && !value.has("rate")) value.at("burst").error("needs rate");
      });
  return section;
}

// ---------------------------------------------------------------- the route

void check_outcome(const Value& value) {
  static constexpr std::string_view kOutcomes[] = {"target", "redirect", "reply"};
  std::string_view first;
  for (std::string_view key : kOutcomes) {
    if (!value.has(key)) continue;
    if (!first.empty()) {
      value.at(key).error(fmt::format("cannot be joined with {}: a route has one outcome", first));
    }
    first = first.empty() ? key : first;
  }
  if (first.empty()) value.error("must have target, redirect or reply");
  if (value.has("rewrite") && !first.empty() && first != "target") {
    value.at("rewrite").error(fmt::format("has no effect with {}", first));
  }
}

void finish(Route& route, const Value& value) {
  check_outcome(value);
  if (route.stream && !value.has("deadline")) route.deadline = Millis(0);
  if (route.rewrite && route.rewrite->kind == Rewrite::Kind::prefix &&
      route.path.kind == PathMatch::Kind::regex) {
    value.at("rewrite").error("prefix needs a path without \"~\"; use regex and to");
  }
}

}  // namespace

const Section<Route>& route_section() {
  static const Section<Route> section(
      "route",
      "Which requests go where. The host decides first (exact, wildcard, any), then the exact path, the "
      "longest prefix, regular expressions in the order of the file, then methods and other conditions. One "
      "request matches one route.",
      {field("name", &Route::name, nonempty_text(), "The name in logs and metrics.")
           .shown_default("host and path"),
       field(
           "path", &Route::path, path_match(),
           "\"/x\" is this path, \"/x/*\" everything below it, \"~ ^/x/[0-9]+$\" a regular expression (RE2).")
           .required(),
       field("host", &Route::hosts, list(host(), true),
             "Hosts, without port; \"*.example.org\" is every name below. Any host without this key."),
       field("methods", &Route::methods, list(method(), true),
             "Methods, in capitals. Any method without this key."),
       field("headers", &Route::headers, header_matches(),
             "Fields that the request must have: { X-Version = \"2\", X-Beta = true, X-Old = false, X-Id = "
             "\"~ ^[0-9]+$\" } asks for a value, a field that is there, one that is not, and a regular "
             "expression."),
       field("target", &Route::target, optional(target()),
             "\"upstream.NAME\", \"handler.NAME\" or \"rollout.NAME\". Each route has this, redirect or "
             "reply."),
       field("redirect", &Route::redirect, optional(table(redirect_section())),
             "Answers with another place."),
       field("reply", &Route::reply, optional(table(reply_section())), "Answers at once."),
       field("max_body", &Route::max_body, size(), "Longest request body, answered by 413; 0 for no limit."),
       field("deadline", &Route::deadline, duration(),
             "For the whole request with all attempts, answered by 504; 0 for none, which is the default "
             "with stream."),
       field("rewrite", &Route::rewrite, rewrite(), "Changes the path that the target sees."),
       field("request_headers", &Route::request_headers, table(header_rules_section()),
             "Changes the fields that the target sees."),
       field("response_headers", &Route::response_headers, table(header_rules_section()),
             "Changes the fields that the client sees."),
       field("retry", &Route::retry,
             choice<Route::Retry>({{"off", Route::Retry::off},
                                   {"idempotent", Route::Retry::idempotent},
                                   {"always", Route::Retry::always}}),
             "Which requests may be sent once more after a failure, to another server or from native to "
             "legacy: none, those that RFC 9110 calls idempotent, or all. A request of which nothing was "
             "sent always may, but with \"off\"."),
       field("limit", &Route::limit, optional(table(limit_section())), "Limits requests."),
       field("allow", &Route::allow, list(cidr(), true),
             "Networks of clients that may come; others get 403."),
       field("deny", &Route::deny, list(cidr(), true),
             "Networks of clients that get 403; asked before allow."),
       field("stream", &Route::stream, flag(), "Long answers, such as server-sent events: no deadline."),
       field("access_log", &Route::access_log, flag(),
             "Whether requests of this route are in the access log.")},
      finish);
  return section;
}

void name_routes(std::vector<Route>& routes) {
  std::set<std::string> names;
  for (const Route& route : routes) names.insert(route.name);
  for (Route& route : routes) {
    if (!route.name.empty()) continue;
    std::string name = (route.hosts.empty() ? "" : route.hosts[0]) + route.path.text();
    if (names.contains(name) && !route.methods.empty()) {
      name = fmt::format("{} {}", fmt::join(route.methods, ","), name);
    }
    const std::string base = name;
    for (int number = 2; names.contains(name); ++number) name = fmt::format("{} #{}", base, number);
    names.insert(name);
    route.name = std::move(name);
  }
}

}  // namespace banyan::config
