/** What every generator ends with: writes its files where they differ, or with `--check` only says so and exits 1. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const root = new URL('..', import.meta.url);

const readIfThere = (url) => {
  try {
    return readFileSync(url, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return null;
  }
};

/** `files` has paths from the root, texts, and prettier's parser; null for a text that is kept as it is. */
export const writeGenerated = async (script, files) => {
  for (const { path, text, parser } of files) {
    const url = new URL(path, root);
    const config = await resolveConfig(fileURLToPath(url));
    const wanted = parser === null ? text : await format(text, { ...config, parser });
    if (readIfThere(url) === wanted) continue;
    if (process.argv.includes('--check')) {
      console.error(`${path} is stale; run: node scripts/${script}`);
      process.exitCode = 1;
    } else writeFileSync(url, wanted);
  }
};
