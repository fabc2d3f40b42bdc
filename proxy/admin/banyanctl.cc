// banyanctl: the operator's client. One table of commands; each is one request to the admin API and one way
// to print the answer.

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "admin/banyanctl_client.h"
#include "admin/banyanctl_print.h"
#include "admin/banyanctl_top.h"
#include "config/units.h"
#include "control/journal.h"
#include "control/texts.h"

namespace banyan::ctl {
namespace {

// One request, as the command line says it.
struct Command {
  std::string method = "GET";
  std::string path;
  std::string body;
  Printer print = print_as_is;
};

// What the command line gave, in the variables that CLI11 fills.
struct Words {
  Access access;
  bool json = false;
  double timeout = 60;  // longer than the master gives a reload
  std::string why;
  bool force = false;
  std::string rollout;
  double percent = 0;
  std::string method;
  std::string url;
  std::vector<std::string> headers;
  std::string client_ip;
  std::string handler;
  std::string key;
  std::string prefix;
  std::string upstream;
  std::string server;
  uint32_t limit = 20;
  uint32_t number = 0;
  std::string confirm;
  Command command;
  bool top = false;  // not a command but the live view
  bool once = false;
  double interval = 1;
};

std::string user_name() {
  if (const char* sudo = std::getenv("SUDO_USER"); sudo && *sudo) return sudo;
  const passwd* entry = getpwuid(getuid());
  return entry ? entry->pw_name : fmt::format("uid {}", getuid());
}

std::string order_body(const Words& words, const control::VerbRow& row) {
  nlohmann::ordered_json body = {{"who", user_name()}, {"why", words.why}};
  if (row.verb == control::Verb::set) body["percent"] = words.percent;
  if (row.can_raise && words.force) body["force"] = true;
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

CLI::App* add_reader(CLI::App& parent, Words& words, const char* name, const char* summary, const char* path,
                     Printer print) {
  CLI::App* app = parent.add_subcommand(name, summary);
  app->final_callback([&words, path, print] { words.command = {"GET", path, {}, print}; });
  return app;
}

// Two decimals at most: what a rollout can tell apart.
std::string check_percent(const std::string& text) {
  uint32_t ignored = 0;
  double percent = 0;
  if (CLI::detail::lexical_cast(text, percent) && control::to_hundredths(percent, ignored)) return {};
  return fmt::format("{} is not a percentage from 0 to 100 with at most two decimals", text);
}

void add_rollout_order(CLI::App& parent, Words& words, const control::VerbRow& row) {
  CLI::App* app = parent.add_subcommand(std::string(row.name), std::string(row.summary));
  app->add_option("NAME", words.rollout, "Rollout")->required();
  if (row.verb == control::Verb::set) {
    app->add_option("PERCENT", words.percent, "0 to 100, two decimals")
        ->required()
        ->check(CLI::Validator(check_percent, "PERCENT"));
  }
  app->add_option("--why", words.why, "Reason, for the journal");
  if (row.can_raise) app->add_flag("--force", words.force, "Also in a freeze");
  app->final_callback([&words, &row] {
    words.command = {"POST", fmt::format("/rollouts/{}/{}", encoded(words.rollout), row.name),
                     order_body(words, row), print_changed_rollout};
  });
}

void add_rollout_commands(CLI::App& root, Words& words) {
  CLI::App* rollout = root.add_subcommand("rollout", "Shows and changes rollouts");
  rollout->require_subcommand(1);
  add_reader(*rollout, words, "list", "All rollouts", "/rollouts", print_rollouts);
  CLI::App* show = rollout->add_subcommand("show", "One rollout");
  show->add_option("NAME", words.rollout, "Rollout")->required();
  show->final_callback([&words] {
    words.command = {"GET", "/rollouts/" + encoded(words.rollout), {}, print_rollout};
  });
  for (const control::VerbRow& row : control::verb_rows()) add_rollout_order(*rollout, words, row);
}

void add_upstream_commands(CLI::App& root, Words& words) {
  CLI::App* upstream = root.add_subcommand("upstream", "Shows groups of servers and takes servers out");
  upstream->require_subcommand(1);
  add_reader(*upstream, words, "list", "All groups and their servers", "/upstreams", print_upstreams);
  const std::pair<const char*, const char*> orders[] = {
      {"up", "Uses a server again"},
      {"drain", "Sends a server no new requests; those under way end"},
      {"down", "The same as drain, and shown as down"},
  };
  for (const auto& [name, summary] : orders) {
    CLI::App* app = upstream->add_subcommand(name, summary);
    app->add_option("UPSTREAM", words.upstream, "Group")->required();
    app->add_option("SERVER", words.server, "Address as in the configuration: 127.0.0.1:3000")->required();
    app->final_callback([&words, order = name] {
      words.command = {
          "POST",
          fmt::format("/upstreams/{}/servers/{}/{}", encoded(words.upstream), encoded(words.server), order),
          {},
          print_changed_server};
    });
  }
}

void add_handler_commands(CLI::App& root, Words& words) {
  CLI::App* handler = root.add_subcommand("handler", "Shows handlers and empties their caches");
  handler->require_subcommand(1);
  add_reader(*handler, words, "list", "All handlers", "/handlers", print_handlers);
  CLI::App* purge = handler->add_subcommand("purge", "Forgets what a handler keeps: all, a key, or a prefix");
  purge->add_option("NAME", words.handler, "Handler")->required();
  CLI::Option* key = purge->add_option("--key", words.key, "Only this key");
  CLI::Option* prefix = purge->add_option("--prefix", words.prefix, "Only keys that begin so")->excludes(key);
  purge->add_option("--why", words.why, "Reason, for the log");
  purge->final_callback([&words, key, prefix] {
    nlohmann::ordered_json body = nlohmann::ordered_json::object();
    if (key->count() > 0) body["key"] = words.key;
    if (prefix->count() > 0) body["prefix"] = words.prefix;
    if (!words.why.empty()) body["why"] = words.why;
    words.command = {"POST", fmt::format("/handlers/{}/purge", encoded(words.handler)),
                     body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
                     print_purged};
  });
}

void add_explain(CLI::App& root, Words& words) {
  CLI::App* app = root.add_subcommand("explain", "Says where a request would go, and why; sends nothing");
  app->add_option("METHOD", words.method, "GET, POST …")->required();
  app->add_option("URL", words.url, "http://host/path, or a path")->required();
  app->add_option("-H,--header", words.headers, "Header field, \"Name: value\"")->allow_extra_args(false);
  app->add_option("--client-ip", words.client_ip, "Address the request comes from");
  app->final_callback([&words] {
    std::string path = fmt::format("/explain?method={}&url={}", encoded(words.method), encoded(words.url));
    for (const std::string& header : words.headers) path += "&header=" + encoded(header);
    if (!words.client_ip.empty()) path += "&client_ip=" + encoded(words.client_ip);
    words.command = {"GET", path, {}, print_explanation};
  });
}

void add_journal(CLI::App& root, Words& words) {
  CLI::App* app = root.add_subcommand("journal", "Orders to rollouts, newest first");
  app->add_option("-n,--limit", words.limit, "How many")->capture_default_str();
  app->add_option("ROLLOUT", words.rollout, "Only of this one");
  app->final_callback([&words] {
    std::string path = fmt::format("/journal?limit={}", words.limit);
    if (!words.rollout.empty()) path += "&rollout=" + encoded(words.rollout);
    words.command = {"GET", path, {}, print_journal};
  });
}

std::string change_body(const Words& words) {
  nlohmann::ordered_json body = {{"who", user_name()}};
  if (!words.why.empty()) body["why"] = words.why;
  if (!words.confirm.empty()) body["confirm"] = words.confirm;
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string check_duration(const std::string& text) {
  const auto time = config::parse_duration(text);
  return time ? std::string() : text + ": " + time.error().message;
}

void add_change_options(CLI::App& app, Words& words) {
  app.add_option("--confirm", words.confirm, "Go back by itself unless confirmed within that time: 5m")
      ->check(CLI::Validator(check_duration, "TIME"));
  app.add_option("--why", words.why, "Reason, for the history");
}

void add_history(CLI::App& root, Words& words) {
  CLI::App* history = root.add_subcommand("history", "Configurations that were in effect, newest first");
  CLI::App* show = history->add_subcommand("show", "One of them, as TOML, secrets redacted");
  show->add_option("NUMBER", words.number, "As the history has it")->required();
  history->require_subcommand(0, 1);
  history->final_callback([&words, show] {
    if (show->parsed()) {
      words.command = {"GET", fmt::format("/history/{}", words.number), {}, print_config};
    } else {
      words.command = {"GET", "/history", {}, print_history};
    }
  });
}

void add_change_commands(CLI::App& root, Words& words) {
  CLI::App* reload =
      root.add_subcommand("reload", "Reads the configuration again; waits until it is applied or refused");
  add_change_options(*reload, words);
  reload->final_callback([&words] { words.command = {"POST", "/reload", change_body(words), print_reload}; });
  root.add_subcommand("confirm", "What was loaded with --confirm stays")->final_callback([&words] {
    words.command = {"POST", "/confirm", change_body(words), print_confirmed};
  });
  add_history(root, words);
  CLI::App* rollback = root.add_subcommand("rollback", "Loads a configuration of the history");
  rollback->add_option("NUMBER", words.number, "As the history has it")->required();
  add_change_options(*rollback, words);
  rollback->final_callback([&words] {
    words.command = {"POST", fmt::format("/history/{}/rollback", words.number), change_body(words),
                     print_reload};
  });
}

void add_top(CLI::App& root, Words& words) {
  CLI::App* app =
      root.add_subcommand("top", "Live view of routes, sides, rates, latencies, rollouts; q ends");
  app->add_flag("--once", words.once, "One look, printed as text (with --json as JSON), and the end");
  app->add_option("--interval", words.interval, "Seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app->final_callback([&words] { words.top = true; });
}

void add_commands(CLI::App& root, Words& words) {
  root.require_subcommand(1);
  add_reader(root, words, "status", "Processes, configuration, rollouts", "/status", print_status);
  add_rollout_commands(root, words);
  add_explain(root, words);
  add_upstream_commands(root, words);
  add_reader(root, words, "routes", "Routes in their order", "/routes", print_routes);
  add_handler_commands(root, words);
  add_reader(root, words, "handlers", "In-process handlers", "/handlers", print_handlers);
  add_reader(root, words, "config", "What runs, as TOML, secrets redacted", "/config", print_config);
  add_journal(root, words);
  add_top(root, words);
  add_reader(root, words, "metrics", "Metrics as Prometheus reads them", "/metrics", print_as_is);
  add_change_commands(root, words);
  root.add_subcommand("reopen", "Opens log files again, after they were moved")->final_callback([&words] {
    words.command = {"POST", "/logs/reopen", {}, print_reload};
  });
}

void add_options(CLI::App& root, Words& words) {
  root.add_option("-s,--socket", words.access.socket, "Admin socket")
      ->envname("BANYAN_SOCKET")
      ->capture_default_str();
  root.add_option("--url", words.access.url, "Admin API over TCP instead: http://127.0.0.1:9901")
      ->envname("BANYAN_ADMIN_URL");
  root.add_option("--token", words.access.token,
                  "Token for TCP; better given as BANYAN_ADMIN_TOKEN, which no process list shows")
      ->envname("BANYAN_ADMIN_TOKEN");
  root.add_option("--timeout", words.timeout, "Seconds to wait for the answer")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  root.add_flag("--json", words.json, "Print the answer as JSON");
}

int run_command(const Words& words) {
  const Answer answer = ask(words.access, words.command.method, words.command.path, words.command.body);
  if (answer.code == kDone) {
    const std::string text = words.json ? answer.body : words.command.print(answer.body);
    std::fwrite(text.data(), 1, text.size(), stdout);
  } else {
    if (words.json) std::fwrite(answer.body.data(), 1, answer.body.size(), stdout);
    fmt::print(stderr, "banyanctl: {}\n", answer.message);
  }
  return std::fflush(stdout) == 0 ? answer.code : kFailed;
}

int run(int argc, char** argv) {
  Words words;
  words.access.socket = "/run/banyan/admin.sock";
  CLI::App root("Talks to a running Banyan. See banyanctl(1).", "banyanctl");
  root.fallthrough();
  root.set_version_flag("-v,--version", std::string("banyanctl ") + BANYAN_VERSION);
  add_options(root, words);
  add_commands(root, words);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return root.exit(error) == 0 ? kDone : kUsage;
  }
  words.access.timeout = Millis(static_cast<Millis::rep>(words.timeout * 1000));
  if (words.top) {
    return run_top(words.access,
                   {words.once, words.json, Millis(static_cast<Millis::rep>(words.interval * 1000))});
  }
  return run_command(words);
}

}  // namespace
}  // namespace banyan::ctl

int main(int argc, char** argv) { return banyan::ctl::run(argc, argv); }
