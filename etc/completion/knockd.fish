# Completion for knock, knockctl and knockd in fish. The words
# come from their own help, so they are never out of date. Installed once for each
# program, under its name.

# The help that fits what is typed so far: a command of knockctl has its own.
function __knockd_help
    set -l words (commandline -opc)
    set -l program $words[1]
    set -l command
    if string match -q -- '*knockctl' $program
        set command (string match -r -- '^[a-z].*' $words[2..])[1]
    end
    command $program $command -h 2>/dev/null
end

# A line for each option, command and value: the word, a tab, its purpose.
function __knockd_words
    __knockd_help | awk '
        /^[A-Z][a-z]*:/ { section = $1 }
        section == "Commands:" && /^  [a-z]/ {
            word = $1
            sub(/^  [a-z]+ +/, "")
            print word "\t" $0
        }
        section == "Arguments:" && sub(/.*\[possible values: /, "") {
            gsub(/[],]/, "")
            for (i = 1; i <= NF; i++) print $i
        }
        section == "Options:" && /^ *-/ {
            text = $0
            sub(/^ +[^ ]+( [^ ]+)*  +/, "", text)
            for (i = 1; $i ~ /^-/; i++) {
                sub(/,$/, "", $i)
                print $i "\t" text
            }
        }'
end

# The servers in the user's hosts file.
function __knockd_hosts
    sed -n 's/^ *"\([^"]*\)": *($/\1/p' ~/.config/knock/hosts.ron 2>/dev/null
end

# The value of the option before the cursor in its help, such as FILE or TIME.
# Nothing if it is no option, or takes none.
function __knockd_taken
    set -l last (commandline -opc)[-1]
    string match -q -- '-*' $last
    and __knockd_help | string replace -f -r -- "^ *(-., )?$last <([A-Z]+)>.*" '$2'
end

# Whether a file comes next: after an option that takes one, and as a command's own
# file after its other word.
function __knockd_names_file
    __knockd_taken | string match -q -r 'FILE|SOCKET'
    and return
    set -l words (commandline -opc)
    set -l command (string match -r -- '^[a-z].*' $words[2..])[1]
    test "$words[-1]" != "$command"
    and __knockd_help | string match -q -r '^  <FILE>'
end

set -l program (basename (status filename) .fish)
complete -c $program -f
complete -c $program -n __knockd_names_file -F
complete -c $program -n 'test -z (__knockd_taken)""' -a '(__knockd_words)'
test $program = knock
and complete -c $program -n 'test -z (__knockd_taken)""' -a '(__knockd_hosts)' -d server
