// Every public item has a sentence that says what it is for.

import assert from "node:assert/strict";
import { test } from "node:test";

import ts from "typescript";

const ENTRIES = ["index", "netevia", "flashback", "veeam", "sandbox", "identity", "testkit/index"].map((name) => `src/${name}.ts`);

test("every public item is documented", () => {
  const program = ts.createProgram(ENTRIES, { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022 });
  const checker = program.getTypeChecker();
  const bare: string[] = [];
  let seen = 0;
  const look = (name: string, symbol: ts.Symbol) => {
    const declaration = symbol.declarations?.[0];
    const file = declaration?.getSourceFile().fileName ?? "";
    // What the documents say is generated, and held to its own rules.
    if (!declaration || file.includes("/generated/") || file.includes("/node_modules/")) return;
    if (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Private) return;
    seen += 1;
    if (symbol.getDocumentationComment(checker).length === 0) bare.push(name);
    if (ts.isInterfaceDeclaration(declaration) || ts.isClassDeclaration(declaration)) {
      for (const member of declaration.members) {
        if (member.name && ts.isPrivateIdentifier(member.name)) continue;
        const of = member.name ? checker.getSymbolAtLocation(member.name) : undefined;
        if (of) look(`${name}.${of.name}`, of);
      }
    }
  };
  for (const entry of ENTRIES) {
    const file = program.getSourceFile(entry);
    const exported = file && checker.getSymbolAtLocation(file);
    assert.ok(exported, entry);
    for (const symbol of checker.getExportsOfModule(exported)) {
      look(symbol.name, symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
    }
  }
  assert.ok(seen > 100, `${seen} items`);
  assert.deepEqual(bare, []);
});
