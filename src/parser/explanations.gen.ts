/** Generated from grammar/diagnostics.md by `node scripts/generate-messages.mjs`. Do not edit. */

/** The registry's section of each code, as Markdown. */
export const explanations: Readonly<Record<string, string>> = {
  ZT1001:
    '## ZT1001 unexpected_token\n> expected {expected}, found {found}\n\nThe text breaks off the grammar here: at this place only the named things may stand. What was found is shown as it is written.\n\n### wrong\n~~~ztrain\nconst classes = 10 *\nparam lr: float = 1e-3\n~~~\n\n### right\n~~~ztrain\nconst classes = 10 * 2\nparam lr: float = 1e-3\n~~~\n',
};
