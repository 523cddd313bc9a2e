// Manual pages, a command each, from what --help says (man-pages(7), groff_man(7)). esbuild.config.js
// writes them to dist/man.

/** Text of which nothing is a request of roff. */
function escaped(text) {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/gm, '\\&$&');
}

/** Paragraphs with what stands before them. */
function list(items, term, text) {
  return items.flatMap((item) => ['.TP', `\\fB${escaped(term(item))}\\fR`, escaped(text(item))]);
}

function title(name) {
  return name.replaceAll(' ', '-').toUpperCase();
}

/** Names as they are typed: `wiac cache ls`. */
function fullName(command) {
  const { parent } = command;
  return parent ? `${fullName(parent)} ${command.name()}` : command.name();
}

/**
 * One page.
 * @param command of commander
 * @param version of wiac
 */
export function manPage(command, version) {
  const help = command.createHelp();
  const name = fullName(command);
  const summary = command.summary() || command.description();
  const groups = help.groupItems(command.options, help.visibleOptions(command), () => 'Options:');
  const subcommands = help.visibleCommands(command);
  const lines = [
    `.TH "${title(name)}" 1 "" "wiac ${version}" "wiac"`,
    '.SH NAME',
    `${escaped(name.replaceAll(' ', '-'))} \\- ${escaped(summary)}`,
    '.SH SYNOPSIS',
    `\\fB${escaped(name)}\\fR ${escaped(command.usage())}`,
    ...(command.description()
      ? ['.SH DESCRIPTION', escaped(help.commandDescription(command))]
      : []),
    ...list(
      help.visibleArguments(command),
      (argument) => help.argumentTerm(argument),
      (argument) => help.argumentDescription(argument),
    ),
    ...[...groups].flatMap(([heading, options]) => [
      `.SH ${escaped(heading.replace(/:$/, '').toUpperCase())}`,
      ...list(
        options,
        (option) => help.optionTerm(option),
        (option) => help.optionDescription(option),
      ),
    ]),
    ...(subcommands.length === 0
      ? []
      : [
          '.SH COMMANDS',
          ...list(
            subcommands,
            (one) => one.name(),
            (one) => one.summary(),
          ),
        ]),
    ...(command.parent
      ? ['.SH SEE ALSO', `.BR ${escaped(fullName(command.parent).replaceAll(' ', '-'))} (1)`]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** All pages by the names of their files. @returns [name, text][] */
export function manPages(program, version) {
  const pages = (command) => [
    [`${fullName(command).replaceAll(' ', '-')}.1`, manPage(command, version)],
    ...command
      .createHelp()
      .visibleCommands(command)
      .filter((one) => one.name() !== 'help')
      .flatMap(pages),
  ];
  return pages(program);
}
