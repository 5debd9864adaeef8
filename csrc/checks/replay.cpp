// Runs a fuzz target over files and folders of inputs that were kept: for compilers without libFuzzer, and for tests.
#include <dirent.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

static int replay(const std::string& path) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) {
    fprintf(stderr, "%s: cannot be read\n", path.c_str());
    exit(2);
  }
  if (S_ISDIR(found.st_mode)) {
    int count = 0;
    DIR* folder = opendir(path.c_str());
    while (const dirent* entry = folder ? readdir(folder) : nullptr) {
      if (entry->d_name[0] != '.') count += replay(path + "/" + entry->d_name);
    }
    if (folder) closedir(folder);
    return count;
  }
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return 1;
}

int main(int argc, char** argv) {
  int count = 0;
  for (int i = 1; i < argc; ++i) count += replay(argv[i]);
  printf("%d inputs replayed\n", count);
  return count > 0 ? 0 : 2;
}
