// How much of a page the client takes: its bundle, gzipped, with all that it needs. Fails above the promised 8 KB.

import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const LIMIT = 8 * 1024;

const { outputFiles } = await build({
  entryPoints: ["dist/index.js"],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  write: false,
});
const [{ contents }] = outputFiles;
const gzipped = gzipSync(contents, { level: 9 }).length;
console.log(`size: ${contents.length} bytes, ${gzipped} gzipped, of ${LIMIT}`);
if (gzipped >= LIMIT) {
  console.error("size: that is more than the README promises");
  process.exit(1);
}
