#!/bin/sh
# Makes libdeflate.wasm again, on Debian 12, and fails when it is not the one that is kept here:
#   apt-get install clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32 curl
#   src/oci/compress/libdeflate/build.sh
# TOOLS is where those packages were unpacked, if they are not installed.
set -eu
cd "$(dirname "$0")"
tools=${TOOLS:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

curl -fsS -o "$work/source.tar.gz" \
  http://deb.debian.org/debian/pool/main/libd/libdeflate/libdeflate_1.23.orig.tar.gz
echo "1ab18349b9fb0ce8a0ca4116bded725be7dcbfa709e19f6f983d99df1fb8b25f  $work/source.tar.gz" |
  sha256sum -c --quiet
tar -xzf "$work/source.tar.gz" -C "$work" --strip-components=1

# memory.copy instead of loops: every Node since 16 has it.
cd "$work"
clang-14 --target=wasm32-wasi --sysroot="$tools/" -resource-dir "$tools/usr/lib/llvm-14/lib/clang/14.0.6" \
  -isystem "$tools/usr/include/wasm32-wasi" -L "$tools/usr/lib/wasm32-wasi" \
  -O3 -DNDEBUG -mbulk-memory -I . lib/deflate_compress.c lib/utils.c \
  -nostartfiles -Wl,--no-entry,--strip-all,--export=malloc,--export=free \
  -Wl,--export=libdeflate_alloc_compressor,--export=libdeflate_free_compressor \
  -Wl,--export=libdeflate_deflate_compress,--export=libdeflate_deflate_compress_bound \
  -o libdeflate.wasm
echo "364bbb44cce65817b7f15926765608dcebbab5ee65f6228793f114cde716a67f  libdeflate.wasm" | sha256sum -c
cd - >/dev/null
cp "$work/libdeflate.wasm" libdeflate.wasm
chmod 644 libdeflate.wasm
