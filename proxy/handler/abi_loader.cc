#include "handler/abi_loader.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string_view>

namespace banyan::handler {
namespace {

constexpr char kSymbol[] = "banyan_handler";

// dlerror() begins most messages with the path, which ours do too.
std::string dl_problem(const std::string& path) {
  const char* text = dlerror();
  std::string_view problem = text ? text : "unknown error";
  const std::string lead = path + ": ";
  if (problem.starts_with(lead)) problem.remove_prefix(lead.size());
  return std::string(problem);
}

Error refused(const std::string& path, std::string_view why) {
  return proxy_error(fmt::format("{}: {}", path, why));
}

// Only what every version has may be looked at before the version is known: size first, then the version.
std::string find_mismatch(const banyan_handler_table& table) {
  constexpr size_t kHead = offsetof(banyan_handler_table, abi_version) + sizeof(uint32_t);
  if (table.size < kHead) return fmt::format("its handler table says size {}, which cannot be", table.size);
  if (table.abi_version != BANYAN_ABI_VERSION) {
    return fmt::format(
        "was built for version {} of banyan/handler.h, this Banyan has version {}: build it anew",
        table.abi_version, BANYAN_ABI_VERSION);
  }
  if (table.size < sizeof(banyan_handler_table)) {
    return fmt::format("its handler table is too small: {} bytes, version {} has {}", table.size,
                       BANYAN_ABI_VERSION, sizeof(banyan_handler_table));
  }
  std::string missing;
  auto require = [&](bool there, std::string_view name) {
    if (!there) missing.append(missing.empty() ? "" : ", ").append(name);
  };
  require(table.create, "create");
  require(table.open, "open");
  require(table.ready, "ready");
  require(table.close, "close");
  require(table.destroy, "destroy");
  return missing.empty() ? "" : "its handler table has no function for " + missing;
}

}  // namespace

Result<const banyan_handler_table*> load_handler_table(const std::string& path) {
  // RTLD_NOW: a symbol that cannot be resolved is found here, not at the first request.
  void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!object) return refused(path, "cannot be loaded: " + dl_problem(path));
  const void* symbol = dlsym(object, kSymbol);
  if (!symbol) {
    return refused(path, fmt::format("is not a Banyan handler: it exports no symbol \"{}\"", kSymbol));
  }
  const auto* table = static_cast<const banyan_handler_table*>(symbol);
  if (std::string problem = find_mismatch(*table); !problem.empty()) return refused(path, problem);
  return table;
}

}  // namespace banyan::handler
