// What the server leaves out when it embeds the page: comments and indentation. In: a file's text. Out: the same program, shorter.
// The page's own files keep to what this needs: comments are whole lines or /* */, no string contains either, no string spans lines.
export const strip = text => text.replace(/\/\*[^]*?\*\/ ?/g, '').split('\n').map(l => l.trim()).filter(l => l && !l.startsWith('//')).join('\n') + '\n';
