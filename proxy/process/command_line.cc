#include "process/command_line.h"

#include <CLI/CLI.hpp>
#include <array>

namespace banyan::process {
namespace {

constexpr std::array<std::string_view, 5> kOrders = {"stop", "quit", "reload", "reopen", "upgrade"};

struct Flags {
  bool test = false;
  bool print = false;
  bool version = false;
  bool build = false;
  std::string order;
};

void add_options(CLI::App& app, CommandLine& line, Flags& flags) {
  app.name("banyan");
  app.set_help_flag("-h,--help", "show this text");
  app.add_option("-c", line.source.file, "the configuration (default: /etc/banyan/banyan.toml)")
      ->type_name("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("-p", line.source.prefix, "a folder to stand before all default paths")
      ->type_name("PREFIX")
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("-g", line.source.overrides, "a key that wins over the file's; may be repeated")
      ->type_name("'KEY = VALUE'")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  auto* test = app.add_flag("-t", flags.test, "test the configuration, do not run it");
  auto* print = app.add_flag("-T", flags.print, "test the configuration and print what would run");
  app.add_flag("-q", line.quiet, "with -t: say nothing unless something is wrong");
  auto* order =
      app.add_option("-s", flags.order, "tell the running banyan: stop, quit, reload, reopen, upgrade")
          ->type_name("ORDER")
          ->check(CLI::IsMember(std::vector<std::string>(kOrders.begin(), kOrders.end())));
  auto* version = app.add_flag("-v", flags.version, "show the version");
  auto* build = app.add_flag("-V", flags.build, "show the version and what it was built with");
  for (auto* one : {test, print, version, build, order}) {
    for (auto* other : {test, print, version, build, order}) {
      if (one != other) one->excludes(other);
    }
  }
}

Order order_of(const std::string& word) {
  auto found = std::find(kOrders.begin(), kOrders.end(), word);
  CHECK(found != kOrders.end());
  return static_cast<Order>(found - kOrders.begin());
}

CommandLine::Action action_of(const Flags& flags) {
  using Action = CommandLine::Action;
  if (flags.build) return Action::build;
  if (flags.version) return Action::version;
  if (flags.print) return Action::print;
  if (flags.test) return Action::test;
  return flags.order.empty() ? Action::run : Action::order;
}

}  // namespace

std::string_view order_name(Order order) { return kOrders[static_cast<size_t>(order)]; }

Result<CommandLine> parse_command_line(int count, const char* const* arguments) {
  CommandLine line;
  Flags flags;
  CLI::App app;
  add_options(app, line, flags);
  try {
    app.parse(count, arguments);
  } catch (const CLI::CallForHelp&) {
    line.action = CommandLine::Action::help;
    return line;
  } catch (const CLI::ParseError& error) {
    return proxy_error(std::string("banyan: ") + error.what() + "\nTry 'banyan --help'.");
  }
  line.action = action_of(flags);
  if (line.action == CommandLine::Action::order) line.order = order_of(flags.order);
  return line;
}

std::string usage() {
  CommandLine line;
  Flags flags;
  CLI::App app(
      "Banyan, a proxy that moves the traffic of legacy services to native handlers, a percent at a time.");
  add_options(app, line, flags);
  return app.help();
}

}  // namespace banyan::process
