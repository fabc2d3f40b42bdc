// banyan(8): see man/banyan.8.

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include "process/build_details.h"
#include "process/check.h"
#include "process/command_line.h"
#include "process/handover.h"
#include "process/orders.h"
#include "process/start.h"

namespace {

using namespace banyan::process;  // NOLINT: this is their program

// A descriptor that we open must never become 0, 1 or 2, where stray output goes.
void fill_standard_descriptors() {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

int act(const CommandLine& line, const ProcessTitle& title, Program program) {
  switch (line.action) {
    case CommandLine::Action::run:
      return start_master(line, title, std::move(program));
    case CommandLine::Action::test:
    case CommandLine::Action::print:
      return check_configuration(line);
    case CommandLine::Action::order:
      return send_order(line);
    case CommandLine::Action::version:
      return fmt::print("banyan {}\n", version()), 0;
    case CommandLine::Action::build:
      return fmt::print("{}", build_details()), 0;
    case CommandLine::Action::help:
      return fmt::print("{}", usage()), 0;
  }
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  fill_standard_descriptors();
  // Each process has one busy thread; an arena for every other thread would only hold memory.
  mallopt(M_ARENA_MAX, 2);
  auto line = parse_command_line(count, arguments);
  if (!line) {
    fmt::print(stderr, "{}\n", line.error().message);
    return 2;
  }
  Program program = Program::of(count, arguments);
  ProcessTitle title;
  if (line->action == CommandLine::Action::run) title = ProcessTitle::prepare(count, arguments);
  return act(*line, title, std::move(program));
}
