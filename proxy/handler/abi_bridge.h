// A handler from a shared object as a Handler: translates between handler/handler.h and the C tables of
// handler/abi.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "handler/abi.h"
#include "handler/handler.h"
#include "handler/type.h"

namespace banyan::handler {

// Calls the plug-in's create(). `table` comes from load_handler_table(); `name` is that of [handler.NAME];
// `options` are lent for this call. The error is the plug-in's own reason. `services` must outlive the
// handler.
Result<std::unique_ptr<Handler>> make_abi_handler(
    const banyan_handler_table& table, std::string_view name,
    const std::vector<std::pair<std::string, std::string>>& options, Services& services);

}  // namespace banyan::handler
