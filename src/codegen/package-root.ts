/** Where the running compiler is installed: from sources in this repository, or bundled in a package. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PackageRoot {
  readonly folder: string;
  readonly version: string;
  /** Running from `.ts` files: the runtime is taken from its sources too. */
  readonly fromSource: boolean;
}

const manifestOf = (file: string): { readonly name: string; readonly version: string } | null => {
  const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof manifest !== 'object' || manifest === null) return null;
  if (!('name' in manifest) || typeof manifest.name !== 'string') return null;
  if (!('version' in manifest) || typeof manifest.version !== 'string') return null;
  return { name: manifest.name, version: manifest.version };
};

/** Throws where no `package.json` of ztrain is above this file: the installation is broken. */
export const findPackageRoot = (): PackageRoot => {
  const self = fileURLToPath(import.meta.url);
  for (let folder = dirname(self); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    const manifest = existsSync(file) ? manifestOf(file) : null;
    if (manifest?.name === 'ztrain') {
      return { folder, version: manifest.version, fromSource: self.endsWith('.ts') };
    }
    if (dirname(folder) === folder) {
      throw new Error(`no package.json of ztrain was found above ${self}; install ztrain again`);
    }
  }
};

/** The file that `ztrain/runtime` means in a bundle. */
export const runtimeFile = ({ folder, fromSource }: PackageRoot): string =>
  fromSource ? join(folder, 'src', 'runtime', 'index.ts') : join(folder, 'dist', 'runtime.mjs');
