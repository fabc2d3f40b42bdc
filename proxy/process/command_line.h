// What the operator typed: banyan [-c FILE] [-p PREFIX] [-g 'key = value'] [-t | -T] [-q] [-s ORDER] [-v |
// -V]. The options and their meanings are nginx's (nginx.org, "Command-line parameters").
#pragma once

#include <string>

#include "base/result.h"
#include "config/config.h"

namespace banyan::process {

// What -s asks of the running instance.
enum class Order { stop, quit, reload, reopen, upgrade };

// "stop" … "upgrade".
std::string_view order_name(Order order);

struct CommandLine {
  enum class Action { run, test, print, order, version, build, help };
  Action action = Action::run;
  Order order = Order::stop;     // for Action::order
  config::SourceRequest source;  // -c, -p, -g
  bool quiet = false;            // -q: -t says nothing when all is well
};

// `arguments` as main() gets them, the program's name first. The error's message is what to print before
// exiting with 2.
Result<CommandLine> parse_command_line(int count, const char* const* arguments);

// The text of --help.
std::string usage();

}  // namespace banyan::process
