#include "admin/banyanctl_client.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "net/fetch.h"

namespace banyan::ctl {
namespace {

using nlohmann::json;

net::FetchRequest make_request(const Access& access, std::string_view method, std::string_view path) {
  net::FetchRequest request;
  if (access.url.empty()) {
    request.unix_socket = access.socket;
    request.url = fmt::format("http://banyan{}", path);
  } else {
    const std::string_view base(access.url);
    request.url = fmt::format("{}{}", base.substr(0, base.size() - base.ends_with('/')), path);
  }
  request.method = method;
  if (!access.token.empty()) request.fields.push_back({"Authorization", "Bearer " + access.token});
  return request;
}

ExitCode code_of(int status) {
  if (status < 400) return kDone;
  if (status == 403 || status == 409) return kRefused;
  return status == 408 || status == 504 ? kTimeout : kFailed;
}

// What a problem says, with its reasons a line each.
std::string explain_problem(const net::FetchResponse& response) {
  const json problem = json::parse(response.body, nullptr, false);
  if (!problem.is_object() || !problem.contains("detail") || !problem["detail"].is_string()) {
    return fmt::format("the server answered {}", response.status);
  }
  std::string text = problem["detail"].get<std::string>();
  auto reasons = problem.find("reasons");
  if (reasons == problem.end() || !reasons->is_array()) return text;
  for (const json& reason : *reasons) {
    if (reason.is_string()) text += "\n" + reason.get<std::string>();
  }
  return text;
}

std::string explain_failure(const Access& access, const Error& error) {
  const std::string& place = access.url.empty() ? access.socket : access.url;
  const std::string_view hint = error.nothing_sent ? "; is Banyan running?" : "";
  return fmt::format("{}: {}{}", place, error.message, hint);
}

}  // namespace

Answer ask(const Access& access, std::string_view method, std::string_view path, std::string body) {
  net::FetchRequest request = make_request(access, method, path);
  if (!body.empty()) request.fields.push_back({"Content-Type", "application/json"});
  request.body = std::move(body);
  Result<net::FetchResponse> response = net::fetch_now(request, access.timeout);
  if (!response) {
    const ExitCode code = response.error().status == 504 ? kTimeout : kFailed;
    return {code, {}, explain_failure(access, response.error())};
  }
  const ExitCode code = code_of(response->status);
  std::string message = code == kDone ? std::string() : explain_problem(*response);
  return {code, std::move(response->body), std::move(message)};
}

std::string encoded(std::string_view text) {
  constexpr std::string_view kPlain = "-._~";
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kPlain.find(c) != kPlain.npos;
    if (plain) {
      result += c;
    } else {
      fmt::format_to(std::back_inserter(result), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

}  // namespace banyan::ctl
