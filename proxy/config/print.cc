// -T: the configuration as TOML, from the same tables that read it.

#include <fmt/format.h>

#include "config/config.h"
#include "config/formats.h"
#include "config/tables.h"

namespace banyan::config {
namespace {

std::string comment(const Where& where) {
  if (where.line == 0) return "";
  std::string text = where.text();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return fmt::format("# {}\n", text);
}

std::string lines_of(const AnySection& section, const void* object) {
  std::string text;
  for (const Field& field : section.fields()) {
    const std::string value = field.print(object);
    if (!value.empty()) text += fmt::format("{} = {}\n", key_text(field.key), value);
  }
  return text;
}

std::string header(const Field& field, const Child& child) {
  switch (field.shape) {
    case Shape::tables:
      return fmt::format("[[{}]]\n", field.key);
    case Shape::named:
      return fmt::format("[{}.{}]\n", field.key, key_text(child.name));
    default:
      return fmt::format("[{}]\n", field.key);
  }
}

void find_restart_differences(const AnySection& section, const void* a, const void* b,
                              const std::string& path, std::vector<std::string>& found) {
  for (const Field& field : section.fields()) {
    const std::string name = path.empty() ? field.key : fmt::format("{}.{}", path, field.key);
    if (field.is_for_restart && field.print(a) != field.print(b)) found.push_back(name);
    if (field.shape != Shape::table) continue;
    field.children(a, [&](const Child& in_a) {
      field.children(b, [&](const Child& in_b) {
        find_restart_differences(*field.section, in_a.object, in_b.object, name, found);
      });
    });
  }
}

}  // namespace

std::string print(const Config& config) {
  std::string text;
  const AnySection& root = root_section();
  for (const Field& field : root.fields()) {
    const std::string value = field.shape == Shape::value ? field.print(&config) : "";
    if (!value.empty()) text += fmt::format("{} = {}\n", field.key, value);
  }
  for (const Field& field : root.fields()) {
    if (!field.children) continue;
    field.children(&config, [&](const Child& child) {
      text += fmt::format("\n{}{}{}{}", comment(child.where), header(field, child), child.lead,
                          lines_of(*child.section, child.object));
    });
  }
  return text;
}

std::vector<std::string> restart_differences(const Config& running, const Config& next) {
  std::vector<std::string> found;
  find_restart_differences(root_section(), &running, &next, "", found);
  return found;
}

}  // namespace banyan::config
