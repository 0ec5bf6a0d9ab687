// Reads a page over a plain socket. Tests only.
#ifndef ZCBENCH_BASE_METRICS_PAGE_READ_PAGE_H_
#define ZCBENCH_BASE_METRICS_PAGE_READ_PAGE_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace zcbench {

// All that http://`address`/metrics answers, with its headers; empty when nobody answers. `address` is of 127.0.0.1.
inline std::string ReadPage(const std::string& address) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
  ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0 &&
      ::write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t got; (got = ::read(fd, buffer, sizeof(buffer))) > 0;) answer.append(buffer, static_cast<size_t>(got));
  }
  ::close(fd);
  return answer;
}

}  // namespace zcbench

#endif  // ZCBENCH_BASE_METRICS_PAGE_READ_PAGE_H_
