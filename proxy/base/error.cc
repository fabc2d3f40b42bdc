#include "base/error.h"

#include <fmt/format.h>

#include <system_error>

namespace banyan {

std::string_view fault_name(Fault fault) {
  switch (fault) {
    case Fault::client:
      return "client";
    case Fault::upstream:
      return "upstream";
    case Fault::handler:
      return "handler";
    case Fault::proxy:
      return "proxy";
  }
  return "proxy";
}

Error client_error(int status, std::string message) {
  return {Fault::client, status, "http_request_error", std::move(message), false};
}

Error upstream_error(int status, std::string_view type, std::string message) {
  return {Fault::upstream, status, type, std::move(message), false};
}

Error handler_error(int status, std::string message) {
  return {Fault::handler, status, "proxy_internal_response", std::move(message), false};
}

Error proxy_error(std::string message) {
  return {Fault::proxy, 500, "proxy_internal_error", std::move(message), false};
}

Error system_error(std::string_view doing, int error_number) {
  return proxy_error(fmt::format("{}: {}", doing, std::generic_category().message(error_number)));
}

}  // namespace banyan
