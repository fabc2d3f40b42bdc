// The top of the file, [log], [admin], [handler.NAME] and [lua].

#include "config/tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/config.h"
#include "config/formats.h"
#include "config/names.h"

namespace banyan::config {
namespace {

constexpr int64_t kMany = 1'000'000'000;

// ---------------------------------------------------------------- log, admin

const Section<AccessLog>& access_log_section() {
  static const Section<AccessLog> section(
      "access", "The access log: one line for each request.",
      {field("path", &AccessLog::path, path({"off", "stdout", "stderr"}),
             "The file, reopened on USR1. \"off\" writes no access log."),
       field("format", &AccessLog::format,
             choice<AccessLog::Format>(
                 {{"combined", AccessLog::Format::combined}, {"json", AccessLog::Format::json}}),
             "\"combined\" is nginx's format of that name; \"json\" is one object a line with nginx's "
             "variable names and Banyan's own.")});
  return section;
}

const Section<ErrorLog>& error_log_section() {
  static const Section<ErrorLog> section(
      "error", "The error log.",
      {field("path", &ErrorLog::path, path({"stdout", "stderr"}), "The file, reopened on USR1."),
       field("level", &ErrorLog::level,
             choice<log::Level>({{"debug", log::Level::debug},
                                 {"info", log::Level::info},
                                 {"notice", log::Level::notice},
                                 {"warn", log::Level::warn},
                                 {"error", log::Level::error}}),
             "The least important messages that are written.")});
  return section;
}

const Section<Log>& log_section() {
  static const Section<Log> section(
      "log", "Where logs go.",
      {field("access", &Log::access, table(access_log_section()), "The access log."),
       field("error", &Log::error, table(error_log_section()), "The error log.")});
  return section;
}

const Section<Admin>& admin_section() {
  static const Section<Admin> section(
      "admin", "The admin API, which banyanctl(1) speaks to.",
      {field("socket", &Admin::socket, path(), "The unix socket, readable by its owner only.")
           .needs_restart()
           .shown_default("run_dir/admin.sock"),
       field("listen", &Admin::listen, optional(listen_address()),
             "A TCP address for the same API. Needs the token; keep it off public networks.")
           .needs_restart(),
       field("token", &Admin::token, secret(), "What TCP clients send as \"Authorization: Bearer\".")},
      [](Admin& admin, const Value& value) {
        if (value.has("listen") && !value.has("token")) {
          value.at("listen").error("needs admin.token, because TCP has no file permissions");
        }
        if (admin.socket.size() > 107)
          value.at("socket").error("path of a unix socket must be at most 107 bytes");
      });
  return section;
}

// ---------------------------------------------------------------- handler

// [handler.NAME]: `type` says which table the rest is for.
bool read_handler(const Value& value, HandlerEntry& entry) {
  entry.where = value.where();
  if (value.node().kind != Node::Kind::table) return value.wrong_type("a table");
  const std::vector<const AnySection*>& types = value.reader().options().handler_types;
  std::vector<std::string_view> names;
  for (const AnySection* type : types) names.push_back(type->name());
  if (!value.has("type")) return value.at("type").error("is missing" + suggestion("", names));
  const Value type = value.at("type");
  const std::string* name = type.string("the name of a handler type");
  if (!name) return false;
  auto found = std::find(names.begin(), names.end(), *name);
  if (found == names.end()) return type.error("unknown handler type" + suggestion(*name, names));
  const AnySection& section = *types[static_cast<size_t>(found - names.begin())];
  std::shared_ptr<void> options = section.make();
  const bool good = section.read(value, options.get(), {"type"});
  entry.type = *name;
  entry.options = Options(section, std::move(options));
  return good;
}

Format<std::vector<HandlerEntry>> handlers() {
  return {"table for each name",
          [](const Value& value, std::vector<HandlerEntry>& entries) {
            if (value.node().kind != Node::Kind::table) return value.wrong_type("a table of named tables");
            bool good = true;
            for (const Entry& entry : value.node().entries) {
              good &= check_name(value, entry);
              entries.emplace_back().name = entry.key;
              good &= read_handler(value.entry(entry), entries.back());
            }
            return good;
          },
          [](const std::vector<HandlerEntry>&) { return std::string(); },
          Shape::named,
          nullptr,
          [](const std::vector<HandlerEntry>& entries, const Visit& visit) {
            for (const HandlerEntry& entry : entries) {
              visit({entry.name, entry.options.section(), entry.options.get(), entry.where,
                     fmt::format("type = {}\n", quote(entry.type))});
            }
          }};
}

// ---------------------------------------------------------------- lua

const Section<LuaLimits>& lua_limits_section() {
  static const Section<LuaLimits> section(
      "limits", "What one call may use up; beyond, it fails and the static decision stands.",
      {field("wall", &LuaLimits::wall, duration(1ms, 50ms), "Time of one call."),
       field("instructions", &LuaLimits::instructions, integer<uint64_t>(1000, kMany),
             "Instructions of the Lua machine in one call."),
       field("memory", &LuaLimits::memory, size(256 * 1024, 1 << 30),
             "Memory of a worker's whole Lua state.")});
  return section;
}

const Section<Lua>& lua_section() {
  static const Section<Lua> section(
      "lua", "Routing rules in Lua; see banyan-lua(7).",
      {field("routes", &Lua::routes, file(),
             "The script. Its route(request) is asked after the static match."),
       field("limits", &Lua::limits, table(lua_limits_section()), "Limits of each call.")});
  return section;
}

// ---------------------------------------------------------------- the file

// `include` is taken out before the tables are read; the row is there for the manual.
Row<Config> include_row() {
  Field row;
  row.key = "include";
  row.type = "list of paths";
  row.doc =
      "Further files, as paths or patterns such as \"conf.d/*.toml\", relative to this file, in the order of "
      "their names. Their tables are joined with those of this file and their lists of tables come after its "
      "own; the same key twice is an error.";
  row.read = [](const Value& value, void*) { return value.error("belongs at the top of a file"); };
  row.print = [](const void*) { return std::string(); };
  return Row<Config>(std::move(row));
}

// Defaults that hang on other keys, and what a file cannot do without.
void finish(Config& config, const Value& root) {
  if (config.admin.socket.empty()) config.admin.socket = config.run_dir + "/admin.sock";
  name_routes(config.routes);
  if (!root.reader().complete()) return;
  if (!root.has("listener")) root.at("listener").error("is missing: at least one [[listener]] is needed");
  if (!root.has("route")) root.at("route").error("is missing: at least one [[route]] is needed");
}

Format<std::string> via_name() {
  return checked<std::string>(text(), [](const std::string& value) {
    return is_token(value) ? "" : "must be a name without spaces";
  });
}

Format<std::string> timeout_header() {
  return checked<std::string>(text(), [](const std::string& value) {
    if (!value.empty() && !is_token(value)) return "is not the name of a header field";
    return is_framing_field(value) || lower(value) == "host" ? "is set by Banyan itself for something else"
                                                             : "";
  });
}

}  // namespace

const Section<Config>& root_section() {
  static const Section<Config> section(
      "banyan.toml", "Keys that stand before the first table.",
      {field("workers", &Config::workers, integer_or<uint32_t>("auto", 1, 256),
             "Number of worker processes; \"auto\" is one for each CPU that Banyan may use.")
           .needs_restart(),
       field(
           "user", &Config::user,
           checked<std::string>(text(),
                                [](const std::string& value) {
                                  return value.empty() || is_token(value) ? "" : "is not the name of a user";
                                }),
           "The user that workers and the controller become, with the groups of that user. Empty: no change.")
           .needs_restart(),
       field("chroot", &Config::chroot,
             checked<std::string>(text(),
                                  [](const std::string& value) {
                                    return value.empty() || value[0] == '/' ? "" : "must begin with \"/\"";
                                  }),
             "The folder that workers make their root, best an empty one that they cannot write to; needs "
             "user. What they look for in files while they run has to be in there: etc/resolv.conf and "
             "etc/hosts for names of servers, the system's certificates for those whose tls has no ca, "
             "shared objects of handlers, unix sockets of servers. Configuration, scripts, certificates "
             "and logs are the master's to open and may be anywhere; so may what the controller keeps. "
             "Empty: no change.")
           .needs_restart(),
       field(
           "seccomp", &Config::seccomp, flag(),
           "Workers and the controller give up the system calls that they have no use for: to start programs "
           "or processes, to trace others, to mount, to load code into the kernel, to make name spaces and "
           "more. Such a call fails with EPERM, and the audit log tells. Only for handlers of your own that "
           "need one of them is this to be switched off.")
           .needs_restart(),
       field("splice", &Config::splice, flag(),
             "Bodies of more than about 32 KiB with a Content-Length go from socket to socket within the "
             "kernel, without being copied into the worker and out again (splice(2)), where neither side has "
             "TLS. To be switched off only if a kernel is suspected to do it wrong."),
       field("daemon", &Config::daemon, flag(), "Go to the background once everything is ready.")
           .needs_restart(),
       field("state_dir", &Config::state_dir, path(), "Folder of rollout state and the history of changes.")
           .needs_restart(),
       field("run_dir", &Config::run_dir, path(), "Folder of the admin socket and of banyan.pid.")
           .needs_restart(),
       field("shutdown_timeout", &Config::shutdown_timeout, duration(Millis(0), 24h),
             "How long a graceful stop waits for requests and connections under way."),
       field(
           "worker_connections", &Config::worker_connections, integer_or<uint32_t>("auto", 16, 10'000'000),
           "Most connections of clients that a worker serves at the same time; further ones wait. \"auto\" "
           "is "
           "the limit of open files (RLIMIT_NOFILE) less 10 percent. Neither is more than that limit leaves "
           "beside listeners, logs and what a reload needs; a warning says so."),
       field("trusted_proxies", &Config::trusted_proxies, list(cidr(), true),
             "Networks of proxies in front, whose X-Forwarded-For and other forwarding fields are believed "
             "and extended; from others they are replaced. \"unix:\" is every peer on a unix socket."),
       field("via", &Config::via, via_name(), "Our name in the fields Via and Proxy-Status."),
       field("timeout_header", &Config::timeout_header, timeout_header(),
             "The field by which targets are told how many milliseconds are left for their answer, when the "
             "route has a deadline. From a peer in trusted_proxies it is believed: its time counts where it "
             "is shorter than the route's. From others it is replaced. Empty: no such field."),
       include_row(),
       field("log", &Config::log, table(log_section()), "Where logs go."),
       field("admin", &Config::admin, table(admin_section()), "The admin API."),
       field("client", &Config::client, table(client_section()), "Time-outs and limits towards clients."),
       field("overload", &Config::overload, table(overload_section()), "When new requests are turned away."),
       field("listener", &Config::listeners, tables(listener_section()),
             "Addresses to accept connections on."),
       field("upstream", &Config::upstreams, named(upstream_section()), "Groups of servers."),
       field("handler", &Config::handlers, handlers(),
             "Targets inside of Banyan. The key type names the kind of handler, the others are its options."),
       field("rollout", &Config::rollouts, named(rollout_section()), "Choices between two targets."),
       field("lua", &Config::lua, table(lua_section()), "Routing rules in Lua."),
       field("route", &Config::routes, tables(route_section()), "Which requests go where.")},
      finish);
  return section;
}

}  // namespace banyan::config
