/**
 * Emitted files under TypeScript. After this: it is known whether they are typed without a fault, and each fault has the
 * place in the spec that it comes from. The TypeScript is the one that ts-morph brings (its version is in the result).
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TraceMap, originalPositionFor } from '@jridgewell/trace-mapping';
import type { EmittedFile } from './emit.js';
import type { ts } from 'ts-morph';
import { type PackageRoot, findPackageRoot } from './package-root.js';

export interface TypeCheckOptions {
  /** Absolute folder where the emitted files are, or would be. */
  readonly folder: string;
  readonly root?: PackageRoot;
}

export interface TypeFault {
  /** TypeScript's number, `2322`. */
  readonly code: number;
  readonly message: string;
  /** Absolute path; of an emitted file or of an extern. */
  readonly file: string | null;
  /** In that file, from 1. */
  readonly line: number;
  readonly column: number;
  /** In the spec, from 1; null where no part of the spec wrote this. */
  readonly spec: { readonly path: string; readonly line: number; readonly column: number } | null;
}

export interface TypeCheck {
  readonly typescript: string;
  readonly faults: readonly TypeFault[];
  /** Imports of the externs, and of what they import, that lead nowhere: what is wrong elsewhere may follow from them. */
  readonly unresolved: readonly TypeFault[];
}

/** TypeScript's numbers of an import of a module that is not there. */
const NO_MODULE: ReadonlySet<number> = new Set([2307, 2792]);

/** The folder of Node's declarations: npm puts them beside this package, or inside of it. */
const typesOf = ({ folder }: PackageRoot): string =>
  dirname(dirname(createRequire(join(folder, 'package.json')).resolve('@types/node/package.json')));

/** Reads externs from the disk, and the emitted files from memory. */
export const typecheck = async (
  files: readonly EmittedFile[],
  options: TypeCheckOptions,
): Promise<TypeCheck> => {
  const { Project, ts } = await import('ts-morph');
  const root = options.root ?? findPackageRoot();
  // Only a published package has declarations; a checkout has the sources that they are made of.
  const declarations = join(root.folder, 'dist', 'types', 'runtime', 'index.d.ts');
  const runtime =
    root.fromSource || !existsSync(declarations)
      ? join(root.folder, 'src', 'runtime', 'index.ts')
      : declarations;
  const project = new Project({
    skipAddingFilesFromTsConfig: true,
    skipFileDependencyResolution: true,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      lib: ['lib.es2023.d.ts'],
      types: ['node'],
      typeRoots: [typesOf(root)],
      paths: { 'ztrain/runtime': [runtime] },
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      noImplicitOverride: true,
      noImplicitReturns: true,
      noUnusedLocals: true,
      noUnusedParameters: true,
      verbatimModuleSyntax: true,
      isolatedModules: true,
      skipLibCheck: true,
      noEmit: true,
    },
  });
  const maps = new Map<string, TraceMap>();
  const sources = files.map((file) => {
    const path = join(options.folder, file.fileName);
    const source = project.createSourceFile(path, file.text, { overwrite: true });
    maps.set(source.getFilePath(), new TraceMap(file.map));
    return source;
  });
  const program = project.getProgram().compilerObject;
  const faultOf = (diagnostic: ts.Diagnostic): TypeFault => {
    const { file, start = 0, code } = diagnostic;
    const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n');
    if (file === undefined) return { code, message, file: null, line: 0, column: 0, spec: null };
    const { line, character } = file.getLineAndCharacterOfPosition(start);
    const map = maps.get(file.fileName);
    const found = map === undefined ? null : originalPositionFor(map, { line: line + 1, column: character });
    const spec =
      found === null || found.source === null
        ? null
        : { path: found.source, line: found.line, column: found.column + 1 };
    return { code, message, file: file.fileName, line: line + 1, column: character + 1, spec };
  };
  const faults = sources
    .flatMap((source) => [
      ...program.getSyntacticDiagnostics(source.compilerNode),
      ...program.getSemanticDiagnostics(source.compilerNode),
    ])
    .map(faultOf);
  // Where all is well nobody asks why it is not.
  const own =
    faults.length === 0
      ? []
      : program
          .getSourceFiles()
          .filter(
            ({ fileName, isDeclarationFile }) =>
              !isDeclarationFile &&
              !maps.has(fileName) &&
              !fileName.includes('/node_modules/') &&
              !fileName.startsWith(`${join(root.folder, 'src')}/`),
          );
  const unresolved = own
    .flatMap((file) => program.getSemanticDiagnostics(file))
    .filter(({ code }) => NO_MODULE.has(code))
    .map(faultOf);
  return { typescript: ts.version, faults, unresolved };
};
