// What the load generator was asked for on its command line.
#pragma once

#include <netinet/in.h>

#include <string>
#include <vector>

namespace bench {

struct Settings {
  sockaddr_in address{};
  std::string host;  // for the Host field
  std::string path;  // '@' stands for a number below `variants`, also in `headers`
  std::vector<std::string> headers;
  size_t variants = 1;
  size_t body = 0;  // bytes of a POST; 0 is a GET
  size_t connections = 32;
  size_t under_way =
      0;  // closed loop: requests at the same time, over all connections in turn; 0: one on each
  size_t pipeline = 1;  // requests in one write
  double rate = 0;      // requests a second, open loop; 0 is a closed loop
  double warm_up = 0.5, seconds = 3;
  bool close = false;  // a connection for each request
  bool tls = false, resume = false;
  bool hold = false;  // one request on each connection, then wait for the end of standard input
};

// Prints the usage and ends the process when the words are wrong.
Settings read_settings(int count, char** words);

[[noreturn]] void die(const char* what);  // with errno

}  // namespace bench
