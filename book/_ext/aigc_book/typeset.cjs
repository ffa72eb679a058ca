// Typesets formulas with MathJax for book/_ext/aigc_book/formulas.py, one JSON object a line:
// {"tex", "display"} comes in, {"html", "width"} or {"error"} goes out; widths are in em. The first
// line out is the style sheet.
// Use: node typeset.cjs MATHJAX FONT, the folders of the two packages.
"use strict";
const path = require("node:path");
const readline = require("node:readline");

const [mathjax, font] = process.argv.slice(2).map((folder) => path.resolve(folder));
const answer = (value) => process.stdout.write(JSON.stringify(value) + "\n");

// Width of the last formula, which MathJax knows when it breaks lines and does not tell.
function width(output) {
  output.nodeMap = new Map();
  return output.factory.wrap(output.math.root).getOuterBBox().w;
}

async function main() {
  const MathJax = require(path.join(mathjax, "node-main.cjs"));
  await MathJax.init({
    loader: {
      load: ["input/tex", "output/chtml", "adaptors/liteDOM", "a11y/assistive-mml"],
      paths: { "mathjax-tex": font },
    },
    tex: {
      packages: { "[-]": ["noundefined", "noerrors"] },
      formatError: (_, error) => { throw error; },
    },
    output: { font: "mathjax-tex", fontPath: font, linebreaks: { inline: true } },
    // The whole style sheet: Python takes from it what the book uses.
    chtml: { adaptiveCSS: false, fontURL: "." },
    options: { enableAssistiveMml: true },
  });
  const adaptor = MathJax.startup.adaptor;
  answer({ css: adaptor.textContent(MathJax.chtmlStylesheet()) });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { tex, display } = JSON.parse(line);
    try {
      const node = await MathJax.tex2chtmlPromise(tex, { display });
      answer({ html: adaptor.outerHTML(node), width: width(MathJax.startup.document.outputJax) });
    } catch (error) {
      answer({ error: error.message });
    }
  }
  MathJax.done();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
