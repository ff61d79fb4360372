# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
#
# Completion of jkbmsctl for bash. Verbs, names and keys come from the program and the running
# daemon, so there is nothing here to keep up to date.

_jkbmsctl ()
{
  local cur=${COMP_WORDS[COMP_CWORD]} word verb= args=0 skip=
  local -a global=() what=()
  COMPREPLY=()

  # The words before this one: global options, the verb, its arguments.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ -n $skip ]]; then
      [[ $skip == --bus-address ]] && global+=(--bus-address "$word")
      skip=
      continue
    fi
    case $word in
      --bus-address|--time|--baud) skip=$word ;;
      --session|--system) global+=("$word") ;;
      -*|=) ;;
      *)
        if [[ -z $verb ]]; then
          verb=$word
        elif [[ $verb == bus || $verb == mqtt ]]; then
          verb+=" $word"
        else
          args=$((args + 1))
        fi
        ;;
    esac
  done
  [[ -n $skip ]] && return

  if [[ $cur == -* ]]; then
    what=($(jkbmsctl $verb --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*' | sort -u))
  else
    case $verb:$args in
      :0) what=($(jkbmsctl complete verbs 2>/dev/null | cut -d ' ' -f 1 | sort -u)) ;;
      bus:0|mqtt:0) what=($(jkbmsctl complete verbs 2>/dev/null | sed -n "s/^$verb //p")) ;;
      show:0|get:0|forget:0|monitor:*)
        what=($(jkbmsctl "${global[@]}" complete ids 2>/dev/null)) ;;
      get:1) what=($(jkbmsctl complete keys 2>/dev/null)) ;;
      doctor:0)
        what=($(jkbmsctl "${global[@]}" complete buses 2>/dev/null)
              /dev/serial/by-id/* /dev/serial/by-path/* /dev/ttyUSB* /dev/ttyACM*) ;;
      decode:0)
        COMPREPLY=($(compgen -f -- "$cur"))
        compopt -o filenames 2>/dev/null
        return
        ;;
    esac
  fi
  for word in "${what[@]}"; do
    [[ $word == "$cur"* && $word != *'*' ]] && COMPREPLY+=("$word")
  done
}

complete -F _jkbmsctl jkbmsctl
