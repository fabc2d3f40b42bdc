#include "requests.h"

namespace bench {
namespace {

std::string with_number(std::string text, size_t number) {
  const size_t at = text.find('@');
  return at == text.npos ? text : text.replace(at, 1, std::to_string(number));
}

std::string make_request(const Settings& settings, size_t number) {
  std::string text = settings.body > 0 ? "POST " : "GET ";
  text += with_number(settings.path, number) + " HTTP/1.1\r\nHost: " + settings.host + "\r\n";
  for (const std::string& line : settings.headers) text += with_number(line, number) + "\r\n";
  if (settings.close) text += "Connection: close\r\n";
  if (settings.body > 0) text += "Content-Length: " + std::to_string(settings.body) + "\r\n";
  text += "\r\n";
  return text.append(settings.body, 'p');
}

}  // namespace

Requests::Requests(const Settings& settings) {
  for (size_t i = 0; i < settings.variants; ++i) {
    const std::string one = make_request(settings, i);
    std::string& text = texts_.emplace_back();
    for (size_t j = 0; j < settings.pipeline; ++j) text += one;
  }
}

std::string_view Requests::next() {
  state_ = state_ * 6364136223846793005u + 1442695040888963407u;
  return texts_[(state_ >> 33) % texts_.size()];
}

}  // namespace bench
