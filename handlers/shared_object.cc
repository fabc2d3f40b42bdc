// shared_object: a handler from a file of somebody else, through the C interface of handler/abi.h.
#include <fmt/format.h>

#include "config/formats.h"
#include "handler/abi_bridge.h"
#include "handler/abi_loader.h"
#include "handlers/all_handlers.h"

namespace banyan::handlers {
namespace {

// A text for the plug-in. What came from the environment or a file is not printed.
struct PluginOption {
  std::string name;
  std::string value;
  bool secret = false;
  bool operator==(const PluginOption&) const = default;
};

struct SharedObjectOptions {
  std::string path;
  std::vector<PluginOption> options;
  bool operator==(const SharedObjectOptions&) const = default;
};

bool read_options(const config::Value& value, std::vector<PluginOption>& options) {
  if (value.node().kind != config::Node::Kind::table) return value.wrong_type("a table of strings");
  const config::Format<config::Secret> text = config::secret();
  bool good = true;
  options.clear();
  for (const config::Entry& entry : value.node().entries) {
    config::Secret read;
    good &= text.read(value.entry(entry), read);
    const bool secret = entry.value.kind == config::Node::Kind::table || entry.value.from_environment;
    options.push_back({entry.key, std::move(read.value), secret});
  }
  return good;
}

std::string print_options(const std::vector<PluginOption>& options) {
  std::string text;
  for (const PluginOption& option : options) {
    text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", config::key_text(option.name),
                        config::quote(option.secret ? "***" : option.value));
  }
  return text.empty() ? "" : fmt::format("{{ {} }}", text);
}

const config::Section<SharedObjectOptions>& shared_object_section() {
  static const config::Section<SharedObjectOptions> section(
      "shared_object", "A handler from a shared object that was built with banyan/handler.h.",
      {config::field("path", &SharedObjectOptions::path, config::path(),
                     "The file. A new version needs a new name to be loaded by a reload.")
           .required(),
       config::field(
           "options", &SharedObjectOptions::options,
           config::Format<std::vector<PluginOption>>{"table of strings", read_options, print_options},
           "Handed to the handler as it is: { NAME = \"value\" }. A value may be { file = \"path\" }.")});
  return section;
}

Result<std::unique_ptr<handler::Handler>> make_shared_object(const config::HandlerEntry& entry,
                                                             handler::Services& services) {
  const auto& options = entry.options.as<SharedObjectOptions>();
  Result<const banyan_handler_table*> table = handler::load_handler_table(options.path);
  if (!table.ok()) return std::move(table).error();
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const PluginOption& option : options.options) pairs.emplace_back(option.name, option.value);
  Result<std::unique_ptr<handler::Handler>> made =
      handler::make_abi_handler(**table, entry.name, pairs, services);
  if (!made.ok()) return proxy_error(fmt::format("{}: {}", options.path, made.error().message));
  return made;
}

}  // namespace

handler::HandlerType shared_object_type() {
  const config::AnySection& section = shared_object_section();
  return {section.name(), section.doc(), section, make_shared_object};
}

}  // namespace banyan::handlers
